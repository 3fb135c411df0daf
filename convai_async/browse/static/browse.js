"use strict";

// The pages work without this script: it adds shortcuts, and connects the recording with the transcript.

const find = (id) => document.getElementById(id);
const audio = find("audio");
const turns = [...document.querySelectorAll("#turns > li")];
const rows = turns.length ? turns : [...document.querySelectorAll("#conversations a.card")];
const timed = turns.filter((turn) => turn.dataset.start !== undefined);

if (find("filters")) sessionStorage.setItem("list", location.href);

const help = find("help");
find("open-help").hidden = false;
find("open-help").addEventListener("click", () => help.showModal());

function move(step) {
  const current = document.activeElement.closest("#turns > li, #conversations > li");
  const at = rows.findIndex((row) => current && (row === current || current.contains(row)));
  const spoken = rows.findIndex((row) => row.hasAttribute("aria-current"));
  const from = at >= 0 ? at : spoken;
  const next = rows[Math.min(rows.length - 1, Math.max(0, from < 0 ? 0 : from + step))];
  if (next) {
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
}

function playFrom(turn) {
  audio.currentTime = Number(turn.dataset.start);
  follow = true;
  audio.play().catch(() => {});
}

function togglePlay() {
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

const shortcuts = {
  "/": () => {
    find("search").focus();
    find("search").select();
  },
  "?": () => help.showModal(),
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  u: () => location.assign(sessionStorage.getItem("list") ?? "/"),
};
if (audio) {
  Object.assign(shortcuts, {
    " ": togglePlay,
    ArrowLeft: () => (audio.currentTime = Math.max(0, audio.currentTime - 5)),
    ArrowRight: () => (audio.currentTime += 5),
    Enter: () => document.activeElement.matches("li[data-start]") && playFrom(document.activeElement),
  });
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog, audio");
  const isPressed = event.target.closest("a, button, summary") && [" ", "Enter"].includes(event.key);
  if (event.ctrlKey || event.altKey || event.metaKey || isTyping || isPressed || !(event.key in shortcuts)) return;
  event.preventDefault();
  shortcuts[event.key]();
});

// A page that found nothing in its time goes on by itself, and takes no place in the history.
const more = document.querySelector("a[data-continue]");
if (more) setTimeout(() => location.replace(more.href), 100);

let follow = true;
if (audio) {
  find("turns").addEventListener("click", (event) => {
    const turn = event.target.closest("li[data-start]");
    const isOther = event.target.closest("details, a:not(.play)") || String(getSelection());
    if (!turn || isOther || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    playFrom(turn);
  });

  const timeline = find("timeline");
  const cursor = find("cursor");
  if (timeline) {
    timeline.addEventListener("click", (event) => {
      const box = timeline.getBoundingClientRect();
      audio.currentTime = ((event.clientX - box.left) / box.width) * timeline.viewBox.baseVal.width;
    });
  }

  for (const name of ["wheel", "touchmove"]) addEventListener(name, () => (follow = false), { passive: true });
  audio.addEventListener("play", () => (follow = true));

  const markSpoken = () => {
    const spoken = audio.currentTime || !audio.paused
      ? timed.findLast((turn) => Number(turn.dataset.start) <= audio.currentTime)
      : undefined;
    for (const name of cursor ? ["x1", "x2"] : []) cursor.setAttribute(name, audio.currentTime);
    const before = document.querySelector("#turns > [aria-current]");
    if (spoken === before || (!spoken && !before)) return;
    before?.removeAttribute("aria-current");
    spoken?.setAttribute("aria-current", "true");
    if (spoken && follow && !audio.paused) spoken.scrollIntoView({ block: "center" });
  };
  for (const name of ["timeupdate", "seeked", "play"]) audio.addEventListener(name, markSpoken);

  const showLinked = () => {
    const linked = timed.find((turn) => `#${turn.id}` === location.hash);
    if (linked && audio.paused) audio.currentTime = Number(linked.dataset.start);
  };
  addEventListener("hashchange", showLinked);
  showLinked();
}
