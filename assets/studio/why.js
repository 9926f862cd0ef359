// What the answer of the moment rests on. Texts are set as texts, never as HTML: words come from strangers' files.

const ABSENT = { words: "none in a language it reads", voice: "not heard", face: "not seen" };

const NOTHING = "Nothing that could be read: no words, no voice, no face.";
const NO_FACE = "Nothing that could be read: no face was seen.";

const EMOTIONS_SHOWN = 2; // of what one signal says: the likeliest, and what comes next

let shownWhy = null;

/** Shows the evidence of a segment, which stays until another one is reached. */
function showWhy(segment) {
  const body = document.getElementById("why-body");
  if (!body || (shownWhy === segment && body.childElementCount)) return;
  shownWhy = segment;
  write(document.getElementById("why-when"), segment ? `· ${segment.when}` : "");
  body.setAttribute("aria-live", player()?.paused === false ? "off" : "polite"); // no reader keeps up with playing
  body.replaceChildren(...(segment ? evidenceOf(segment) : [make("p", "note", "Nothing is answered yet.")]));
}

function evidenceOf(segment) {
  const parts = [fused(segment)];
  if (segment.disagreement) parts.push(make("p", "flag", `${capital(segment.disagreement)}; check this moment.`));
  if (!segment.answer) return parts;
  const asked = segment.kind === "watched" ? ["face"] : timeline.signals;
  parts.push(...asked.map((signal) => alone(signal, segment.alone[signal], segment)));
  if (Object.keys(segment.without).length > 1) parts.push(without(segment));
  return parts;
}

/** The picture that was looked at, the words, and the answer from all signals together. */
function fused(segment) {
  const head = make("div", "why-head");
  if (segment.picture) {
    const image = make("img");
    image.src = segment.picture;
    image.alt = segment.has_face ? "The face that was looked at" : "The picture; no face was found in it";
    head.append(image);
  }
  const words = make("div");
  words.append(answerLine(segment), make("p", "note", segment.state));
  if (segment.text) words.append(inLanguage(timeline.language, make("p", "said", `“${segment.text}”`)));
  if (segment.translation) {
    words.append(inLanguage("en", make("p", "translation", `“${segment.translation}”`)));
    words.append(make("p", "note", "read through this translation: nuance is lost"));
  }
  if (segment.heard) words.append(make("p", "note", "words corrected by hand"));
  head.append(words);
  return head;
}

/** Tells a screen reader which voice to take. */
function inLanguage(language, element) {
  if (language) element.lang = language;
  return element;
}

function answerLine({ answer, kind }) {
  const line = make("p", "answer");
  line.append(...(answer ? inShort(answer) : [kind === "watched" ? NO_FACE : NOTHING]));
  return line;
}

function inShort(answer) {
  const [emotion, sentiment] = [likeliest(answer, "emotion"), likeliest(answer, "sentiment")];
  return [named(emotion), ` ${percent(emotion.share)} · ${sentiment.name} ${percent(sentiment.share)}`];
}

/** What one signal says by itself. */
function alone(signal, answer, segment) {
  const section = make("section", "alone");
  const sentiment = answer && likeliest(answer, "sentiment");
  const absent = segment.text || signal === "face" ? ABSENT[signal] : "nobody speaks";
  const title = make("h3", "", signal);
  title.append(make("span", "", ` · ${answer ? `${sentiment.name} ${percent(sentiment.share)}` : absent}`));
  section.append(title);
  if (!answer) return section;
  for (const emotion of ranked(answer, "emotion").slice(0, EMOTIONS_SHOWN)) section.append(bar(emotion));
  return section;
}

function bar({ name, colour, share }) {
  const line = make("div", "share");
  const track = make("span", "bar");
  const fill = make("i");
  fill.style.cssText = `width:${100 * share}%;background:${colour}`;
  track.append(fill);
  line.append(make("span", "", name), track, make("span", "number", percent(share)));
  return line;
}

/** What the network says when it is asked again with one signal taken away. */
function without(segment) {
  const section = make("section", "without");
  section.append(make("h3", "", "without each"));
  const list = make("ul");
  for (const [signal, answer] of Object.entries(segment.without)) {
    const item = make("li", "", `the ${signal}: `);
    item.append(...inShort(answer));
    list.append(item);
  }
  section.append(list);
  return section;
}

function named({ name, colour }) {
  const label = make("b", "emotion");
  const dot = make("i", "dot");
  dot.style.background = colour;
  label.append(dot, name);
  return label;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
