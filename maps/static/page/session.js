// Who is here, and requests that change something: with the session's token, and what went wrong in words.

let asked = null;

// {name, role, rights: […], pages: […], csrf}: asked for once.
export function me() {
  asked ??= fetch("/api/v1/me", { cache: "no-store" }).then((answer) => answer.json());
  return asked;
}

// Whether the person here has a right; the server holds to it in any case.
export async function may(right) {
  return (await me()).rights.includes(right);
}

// POST JSON. Resolves to {ok, status, body}; status 0: the server does not answer.
export async function post(address, body) {
  const { csrf } = await me();
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, body: await answer.json().catch(() => ({})) };
  } catch (error) {
    return { ok: false, status: 0, body: { detail: error.message } };
  }
}
