// Whose face counts: a tick is handed to the server after a short rest, so that two ticks are one change.

const REST_MS = 500;

let restTimer = 0;

/** The face that had the focus, which it gets back when its card is written anew. */
let focusedFace = null;

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("#faces input[name=face]")) return;
  focusedFace = event.target.value;
  chooseFaces(REST_MS);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("#clear-faces")) return;
  for (const box of faceBoxes()) box.checked = false;
  focusedFace = faceBoxes()[0]?.value ?? null;
  chooseFaces(0);
});

const faceBoxes = () => [...document.querySelectorAll("#faces input[name=face]")];

function chooseFaces(restMs) {
  write(document.getElementById("faces-note"), "Reading …");
  clearTimeout(restTimer);
  restTimer = setTimeout(() => {
    correct({ faces: faceBoxes().filter((box) => box.checked).map((box) => Number(box.value)) });
  }, restMs);
}

/** The card is written anew with each answer of the server. */
new MutationObserver(() => {
  if (focusedFace === null) return;
  const box = faceBoxes().find((face) => face.value === focusedFace);
  if (!box || document.activeElement === box) return;
  if (document.activeElement && document.activeElement !== document.body) return; // one has gone on elsewhere
  box.focus({ preventScroll: true });
  focusedFace = null;
}).observe(document, { subtree: true, childList: true });
