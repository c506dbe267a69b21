// The bar of every page: day or night, the language, who is here and which pages they may see.

import { element } from "./element.js";
import { me } from "./session.js";
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
  box.replaceChildren(element("span", { text: `${person.name} · ${word(`role.${person.role}`)}` }));
  box.hidden = false;
}

followTheme();
keepAddress();
window.addEventListener("addresschange", keepAddress);
await showPerson();
