// The bar of every page: day or night, the language, who is here and which pages they may see.

import { element } from "./element.js";
import { me, post } from "./session.js";
import { word } from "./wording.js";

function followTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const show = () => button.setAttribute("aria-pressed", String(root.dataset.theme === "day"));
  button.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "day" ? "night" : "day";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch (error) {
      console.info("the choice is not kept:", error.message);
    }
    show();
    window.dispatchEvent(new Event("themechange"));
  });
  show();
}

// The other language shows the same thing: what the address asks for stays.
function keepAddress() {
  for (const link of document.querySelectorAll(".languages a")) {
    const asked = new URLSearchParams(window.location.search);
    asked.set("lang", link.lang);
    link.search = asked.toString();
  }
}

async function showPerson() {
  const person = await me();
  for (const link of document.querySelectorAll(".bar-pages a")) {
    link.hidden = !person.pages.includes(link.dataset.page);
  }
  const box = document.getElementById("person");
  const named = { name: person.name, role: word(`role.${person.role}`) };
  const said = element("span", { children: [element("span", { text: named.name }),
    element("span", { className: "bar-role", text: ` · ${named.role}` })] });
  box.replaceChildren(person.can_log_out ? menuOf(said, named) : said);
  box.hidden = false;
}

// Opens and shuts by itself, also by keyboard; Escape and a click elsewhere shut it.
function menuOf(said, named) {
  const out = element("button", { type: "button", text: word("person.log_out") });
  out.addEventListener("click", async () => {
    out.disabled = true;
    const { status } = await post("/logout", {});
    if (status === 0) out.disabled = false; // the server does not answer: still logged in
    else window.location.assign("/login");
  });
  const menu = element("details", {
    className: "person-menu",
    children: [
      element("summary", { "aria-label": word("person.menu", named), children: [said] }),
      element("div", {
        children: [element("p", { text: `${named.name} · ${named.role}` }),
          element("a", { href: "/password", text: word("person.password") }), out],
      }),
    ],
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
  });
  return menu;
}

// The session has ended: say so, leave all that was typed, and look again when somebody comes back.
function followSession() {
  const box = element("p", { className: "expired no-print", role: "alert", hidden: "" });
  document.body.append(box);
  window.addEventListener("expired", () => {
    if (!box.hidden) return;
    box.replaceChildren(element("span", { text: word("person.expired") }),
      element("a", { href: "/login?why=ended", target: "_blank", text: word("person.log_in") }));
    box.hidden = false;
  });
  window.addEventListener("readmitted", () => { box.hidden = true; });
  window.addEventListener("focus", () => {
    if (!box.hidden) me().catch((error) => console.info("still nobody:", error.message));
  });
}

followTheme();
keepAddress();
window.addEventListener("addresschange", keepAddress);
followSession();
await showPerson().catch((error) => console.info("nobody is here:", error.message));
