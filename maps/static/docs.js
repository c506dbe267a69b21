// The page /docs: Swagger UI on our own OpenAPI description, no validator in the network.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
