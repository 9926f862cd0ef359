// Corrections of the transcript. A line is double-clicked, or its pencil pressed: its words become a field. Enter saves,
// Escape leaves. The server answers what that changes anew and writes the transcript again; the place in it, a field
// that is open by then, and the focus are put back.

const LINE_TOOLS = ".editor, .pencil, .undo";
const LIT_MS = 1500;
const LONGEST_LINE = 2000; // characters; an utterance has a few hundred

/** Hands a change to the server; see sentiment/studio/editing.py. Anybody may wait for what comes of it. */
function correct(change) {
  document.querySelector("#desk i")?.dispatchEvent(new CustomEvent("correct", { detail: change, bubbles: true }));
}

// ---- the field

/** The line that is being corrected: its segment, the drafts, whether it is on its way; null where none is. */
let editing = null;

/** What has the focus back once the transcript is there again: the pencil of this segment. */
let focusOn = null;
let undone = null;

function openEditor(index) {
  const segment = timeline.segments[index];
  if (!segment || editing?.isSaving) return;
  if (editing) closeEditor();
  editing = { index, analysis: timeline.analysis, drafts: { words: segment.text }, isSaving: false };
  if (segment.translation || segment.heard?.translation) editing.drafts.translations = segment.translation;
  keepEditor();
  const field = document.querySelector(".editor textarea");
  field?.focus();
  field?.setSelectionRange(field.value.length, field.value.length);
}

function closeEditor() {
  const index = editing?.index;
  editing = null;
  const row = rowOf(index);
  row?.querySelector(".editor")?.remove();
  row?.classList.remove("editing");
  row?.querySelector(".pencil")?.focus({ preventScroll: true });
}

const rowOf = (index) => document.querySelector(`#transcript tr[data-segment="${index}"]`);

/** Puts the field into its line wherever the transcript was written anew, or was not there yet. */
function keepEditor() {
  if (editing && editing.analysis !== timeline.analysis) editing = null;
  if (!editing) return;
  leftAloneUntil = performance.now() + FREE_SCROLL_MS; // the line stays in sight
  const row = rowOf(editing.index);
  if (!row || row.querySelector(".editor")) return;
  row.classList.add("editing");
  row.querySelector(".words").append(editorOf(editing));
  row.querySelector("textarea").focus({ preventScroll: true });
}

function editorOf({ index, drafts }) {
  const editor = make("form", "editor");
  for (const [kind, draft] of Object.entries(drafts)) {
    const label = make("label", "", kind === "words" ? "What is said" : "In English, as it is read");
    const field = make("textarea");
    Object.assign(field, { value: draft, name: kind, rows: 1, maxLength: LONGEST_LINE, spellcheck: true });
    if (kind === "words") field.setAttribute("aria-describedby", "editor-keys");
    label.append(field);
    editor.append(label);
  }
  const bottom = make("div", "editor-bottom");
  const [save, leave] = [make("button", "save", "Save"), make("button", "plain leave", "Leave as it was")];
  [save.type, leave.type] = ["submit", "button"];
  const keys = make("span", "note keys", "Enter saves, Esc leaves");
  keys.id = "editor-keys";
  bottom.append(save, leave, keys);
  editor.append(bottom);
  editor.setAttribute("aria-label", `Correct the words at ${timeline.segments[index].when}`);
  return editor;
}

function saveEditor() {
  const { index, drafts } = editing;
  const segment = timeline.segments[index];
  const before = { words: segment.text, translations: segment.translation };
  const change = {};
  for (const [kind, draft] of Object.entries(drafts)) {
    const text = draft.trim().replace(/\s+/g, " ");
    if (text !== before[kind]) change[kind] = { [index]: text };
  }
  if (!Object.keys(change).length) return closeEditor();
  editing.isSaving = true;
  const editor = rowOf(index).querySelector(".editor");
  editor.setAttribute("aria-busy", "true");
  for (const field of editor.querySelectorAll("textarea")) field.readOnly = true;
  for (const button of editor.querySelectorAll("button")) button.disabled = true;
  write(editor.querySelector(".note"), "reading it …");
  correct(change);
}

/** What the server did not accept stays in its field; Gradio says what was wrong with it. */
document.addEventListener("correction-failed", () => {
  if (!editing?.isSaving) return;
  editing.isSaving = false;
  rowOf(editing.index)?.querySelector(".editor")?.remove();
  keepEditor();
});

// ---- clicks and keys

document.addEventListener("dblclick", (event) => {
  const row = event.target.closest("#transcript tr[data-segment]");
  if (!row?.querySelector(".pencil") || event.target.closest(LINE_TOOLS)) return;
  getSelection()?.removeAllRanges();
  openEditor(Number(row.dataset.segment));
});

document.addEventListener("click", (event) => {
  const tool = event.target.closest("#transcript .pencil, #transcript .undo, #transcript .leave");
  if (!tool) return;
  const index = Number(tool.closest("tr").dataset.segment);
  if (tool.matches(".pencil")) openEditor(index);
  else if (tool.matches(".leave")) closeEditor();
  else {
    undone = index;
    correct({ words: { [index]: null }, translations: { [index]: null } });
  }
});

document.addEventListener("input", (event) => {
  if (editing && event.target.closest?.(".editor")) editing.drafts[event.target.name] = event.target.value;
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".editor")) return;
  event.preventDefault();
  if (!editing.isSaving) saveEditor();
});

document.addEventListener("keydown", (event) => {
  if (!event.target.closest?.(".editor") || event.isComposing) return; // Enter also ends the choice of a character
  if (event.key === "Escape" && !editing.isSaving) closeEditor();
  else if (event.key === "Enter" && event.target.matches("textarea")) event.target.form.requestSubmit();
  else return;
  event.preventDefault();
});

// ---- after the server has answered

/** The box of the transcript and how far it was scrolled, for the box that takes its place. */
let place = { box: null, top: 0, analysis: null };

document.addEventListener(
  "scroll",
  (event) => {
    if (event.target === place.box) place.top = event.target.scrollTop;
  },
  { capture: true, passive: true },
);

/** A transcript that is written anew stays where it was scrolled to; that of another analysis begins at its top. */
function keepPlace() {
  const box = document.querySelector("#transcript .scroll");
  if (!box || box === place.box) return;
  const top = place.analysis === timeline.analysis ? place.top : 0;
  place = { box, top, analysis: timeline.analysis };
  box.scrollTop = top;
}

/** Segments whose answer is another than before the correction: they are lit until then, and meanwhile the focus is
 * kept, since transcript and timeline may come one after the other. */
let changed = [];
let litUntil = 0;

/** Compares a newer timeline with the one before: a correction is done, or it is another analysis. */
function noteAnswers(before, after) {
  if (before.analysis !== after.analysis || before.segments.length !== after.segments.length) return;
  const isSame = (one, other) => JSON.stringify(one.answer) === JSON.stringify(other.answer);
  changed = after.segments.flatMap((segment, i) => (isSame(segment, before.segments[i]) ? [] : [i]));
  litUntil = performance.now() + LIT_MS;
  focusOn = editing?.isSaving ? editing.index : undone;
  undone = null;
  if (editing?.isSaving) editing = null;
  setTimeout(tellChange, LIT_MS, changed.length);
}

/** For who does not see the page. */
function tellChange(count) {
  const read = count ? `${count} segment${count > 1 ? "s" : ""} read anew.` : "Nothing else changes.";
  const verdict = document.querySelector("#verdict .headline")?.textContent ?? "";
  const status = document.getElementById("corrected-status");
  if (status) write(status, `Done: ${read} ${verdict}`);
}

/** Lights the lines that were answered anew for a moment, and gives the focus back to where it was. */
function markChanged() {
  if (performance.now() > litUntil) {
    focusOn = null;
    return;
  }
  for (const index of changed) rowOf(index)?.classList.add("changed");
  const isFree = !document.activeElement || document.activeElement === document.body;
  if (focusOn !== null && isFree) rowOf(focusOn)?.querySelector(".pencil")?.focus({ preventScroll: true });
}
