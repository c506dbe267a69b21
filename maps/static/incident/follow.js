// What changes, from the stream; who may not have it asks every few seconds instead.

const SILENT_MS = 12000; // the server beats every 5 s
const ASK_MS = 4000;

// on: {streams, opened(), lost(), incident(id), presence(data)}
export function follow(on) {
  if (!on.streams) {
    setInterval(on.opened, ASK_MS);
    return;
  }
  let source = null;
  let heardAt = performance.now();

  const hear = () => { heardAt = performance.now(); };
  const listen = () => {
    source?.close();
    source = new EventSource("/api/v1/stream");
    source.addEventListener("open", () => { hear(); on.opened(); }); // what was missed meanwhile
    source.addEventListener("beat", hear);
    source.addEventListener("reset", () => { hear(); on.opened(); });
    source.addEventListener("incident", (event) => {
      hear();
      on.incident(JSON.parse(event.data).id);
    });
    source.addEventListener("presence", (event) => { hear(); on.presence(JSON.parse(event.data)); });
    source.addEventListener("error", on.lost);
  };
  // Neither an answer that is no stream nor a connection half dead comes back by itself.
  setInterval(() => {
    const silent = performance.now() - heardAt > SILENT_MS;
    if (silent) on.lost();
    if (silent || source.readyState === EventSource.CLOSED) {
      hear();
      listen();
    }
  }, 2000);
  listen();
}
