// Day or night, before the page is painted: what was chosen here last, else night.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") === "day" ? "day" : "night";
} catch {
  document.documentElement.dataset.theme = "night"; // storage is forbidden: nothing is kept
}
