// The page of one incident: fetched whole, and anew whenever the stream says that it changed.

import { ask as request, may, me } from "../page/session.js";
import { LANGUAGE, momentText, setTimeZone, word } from "../page/wording.js";
import { showEvidence, showHead, showLineage, showReasons, showRelated } from "./facts.js";
import { follow } from "./follow.js";
import { CaseMap } from "./case_map.js";
import { Company } from "./company.js";
import { showTimeline } from "./timeline.js";
import { Workflow } from "./workflow.js";

const id = decodeURIComponent(window.location.pathname.split("/").pop());
const address = `/api/v1/incidents/${encodeURIComponent(id)}`;
const problem = document.getElementById("problem");

const map = new CaseMap(document.getElementById("map"));
const company = new Company(address);
const workflow = new Workflow(address, {
  typing: (typing) => company.setTyping(typing),
  named: (name) => company.setName(name),
  done: () => refresh(),
});
let followed = new Set([id]);
let clockOffset = 0;
let fetching = false;
let again = false;
let expired = false; // the stream ends then too, and does not come back by itself

function say(text) {
  problem.hidden = text === null;
  if (text !== null && problem.textContent !== text) problem.textContent = text;
}

// One request at a time; what comes meanwhile asks once more.
async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await request(address, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.ok) {
      show(await answer.json());
      say(null);
    } else if (answer.status === 404) {
      document.getElementById("loading").hidden = true;
      document.getElementById("case").hidden = true; // it was taken from a partner's unit
      say(word("case.none", { id }));
    } else {
      say(word(answer.status === 401 ? "case.expired" : "case.store_away"));
    }
  } catch (error) {
    console.info("the server does not answer:", error.message);
    say(word("case.lost"));
  }
  fetching = false;
  if (again) {
    again = false;
    refresh();
  }
}

async function show(file) {
  setTimeZone(file.timezone);
  clockOffset = Date.parse(file.now) - Date.now();
  const now = Date.now() + clockOffset;
  followed = new Set([id, ...file.related.map((one) => one.incident_id)]);
  document.getElementById("loading").hidden = true;
  document.getElementById("case").hidden = false;
  showHead(file, map.ground, now);
  showTimeline(file, now);
  showReasons(file, map.ground);
  showEvidence(file, now);
  showLineage(file, now);
  showRelated(file, now);
  document.getElementById("print-foot").textContent = word("case.printed", {
    who: (await me()).name, time: momentText(now, 0), version: file.incident.version ?? 0,
  });
  workflow.show(file);
  company.start();
  company.show(file.people);
  map.show(file);
  const toPlayback = document.getElementById("to-playback");
  toPlayback.href = file.history_url;
  toPlayback.hidden = !(await may("see_picture"));
  const toExport = document.getElementById("to-export");
  toExport.href = `${address}/export?lang=${LANGUAGE}`;
  toExport.hidden = !(await may("export"));
}

window.addEventListener("expired", () => { expired = true; say(word("case.expired")); });
window.addEventListener("readmitted", () => { expired = false; refresh(); });
document.getElementById("print").addEventListener("click", () => window.print());
await map.start();
await refresh();
follow({
  streams: await may("see_picture"),
  opened: refresh,
  lost: () => { if (!expired) say(word("case.lost")); },
  incident: (changed) => { if (followed.has(changed)) refresh(); },
  presence: ({ id: of, people }) => { if (of === id) company.show(people ?? []); },
});
