// What was asked for is away: ask again until it is there, then show it.

const AGAIN_MS = 3000;

async function look() {
  try {
    const { status } = await fetch(window.location.href, { cache: "no-store", headers: { Accept: "text/html" } });
    if (status !== 503) return window.location.reload();
  } catch (error) {
    console.info("still no answer:", error.message);
  }
  return window.setTimeout(look, AGAIN_MS);
}

window.setTimeout(look, AGAIN_MS);
