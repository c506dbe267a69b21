// Who is here, and requests that change something: with the session's token, and what went wrong in words.
//
// An answer 401 means that the session has ended: the window gets the event `expired`, and nothing
// on the page is touched. After a log-in in another window the same request works again: the event
// `readmitted` comes with the first answer that says so.

let asked = null;
let isExpired = false;

// {name, role, rights: […], pages: […], csrf, can_log_out}: asked for once, and anew after `expired`.
export function me() {
  asked ??= ask("/api/v1/me", { cache: "no-store" }).then(async (answer) => {
    if (!answer.ok) {
      throw Object.assign(new Error(`status ${answer.status}`), { status: answer.status });
    }
    if (isExpired) window.dispatchEvent(new Event("readmitted"));
    isExpired = false;
    return answer.json();
  }).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

// Whether the person here has a right; the server holds to it in any case.
export async function may(right) {
  return (await me()).rights.includes(right);
}

// fetch, and tell the page where the session has ended.
export async function ask(address, options) {
  const answer = await fetch(address, options);
  if (answer.status === 401) tellExpired();
  return answer;
}

export function tellExpired() {
  asked = null; // whoever logs in next has another token
  isExpired = true;
  window.dispatchEvent(new Event("expired"));
}

// POST JSON. Resolves to {ok, status, body}; status 0: the server does not answer. `more`: of fetch.
export async function post(address, body, more = {}) {
  try {
    const { csrf } = await me();
    const answer = await send(address, body, csrf, more);
    // Another window has logged in anew meanwhile: this one's token is of the session before.
    if (answer.status === 403 && answer.body.detail?.startsWith("X-CSRF-Token")) {
      asked = null;
      return await send(address, body, (await me()).csrf, more);
    }
    return answer;
  } catch (error) {
    return { ok: false, status: error.status ?? 0, body: { detail: error.message } };
  }
}

async function send(address, body, csrf, more) {
  const answer = await ask(address, {
    ...more,
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
  return { ok: answer.ok, status: answer.status, body: await answer.json().catch(() => ({})) };
}
