// What this browser remembers between visits; where storage is forbidden it remembers nothing.

export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch (error) {
    console.info("the choice is not kept:", error.message);
  }
}
