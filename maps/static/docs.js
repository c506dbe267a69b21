// The page /docs: Swagger UI on our own OpenAPI description, no validator in the network.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  // A change that is tried out needs the session's token, like one from any other page.
  requestInterceptor: async (request) => {
    if ((request.method ?? "GET").toUpperCase() !== "GET") {
      const me = await (await fetch("/api/v1/me", { cache: "no-store" })).json();
      request.headers["X-CSRF-Token"] = me.csrf;
    }
    return request;
  },
});
