/** Line icons, drawn on a grid of 24. They decorate: the words beside them say it. */

/** @type {Readonly<Record<string, string>>} */
const PATHS = {
  microphone: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM6 11a6 6 0 0 0 12 0M12 17v4M9 21h6",
  "microphone-off": "M9 6a3 3 0 0 1 6 0v4M9 10v1a3 3 0 0 0 4.5 2.6M6 11a6 6 0 0 0 9.5 4.9M18 11a6 6 0 0 1-.6 2.6M12 17v4M9 21h6M4 3l16 18",
  camera: "M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1ZM15 11l6-3v8l-6-3",
  "camera-off": "M8 7h5a2 2 0 0 1 2 2v2l6-3v8l-3-1.5M15 15a2 2 0 0 1-2 2H4a1 1 0 0 1-1-1V8a1 1 0 0 1 .7-1M3 3l18 18",
  audio: "M4 10v4h3l5 4V6L7 10H4ZM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  screen: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  share: "M3 5h18v11H3ZM12 13.500V8M9.500 10l2.500-2.500 2.500 2.500M8 20h8",
  end: "M3 13c0-2 4-4 9-4s9 2 9 4v2l-5 1v-3c-2.500-.7-5.500-.7-8 0v3l-5-1Z",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.4-1 .9-1 1.700M12 16.500v.1",
  globe: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3 12h18M12 3c5 5.500 5 12.500 0 18M12 3c-5 5.500-5 12.500 0 18",
  lock: "M6 11h12v9H6ZM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5l3 2",
  check: "M5 12.500l4.500 4.500L19 7",
  place: "M12 21s6.500-5.700 6.500-11a6.500 6.500 0 0 0-13 0C5.500 15.300 12 21 12 21ZM12 12.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  message: "M4 5h16v11H9l-5 4Z",
  chat: "M4 5h16v11H9l-5 4ZM8 9h8M8 12.500h5",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM3 20c0-4 2.500-6 6-6s6 2 6 6M15.500 4.300a3.500 3.500 0 0 1 0 6.400M17 14.300c2.500.6 4 2.500 4 5.700",
  close: "M6 6l12 12M18 6 6 18",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.500 2h-15ZM10 20.500a2.200 2.200 0 0 0 4 0",
  "bell-off": "M6 16v-5c0-1 .2-1.800.6-2.600M9 5.800A6 6 0 0 1 18 11v3M16 18H4.500L6 16M10 20.500a2.200 2.200 0 0 0 4 0M4 3l16 18",
  move: "M12 4v16M4 12h16M9 7l3-3 3 3M9 17l3 3 3-3M7 9l-3 3 3 3M17 9l3 3-3 3",
  out: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  alert: "M12 4 2.500 20h19ZM12 10v4M12 17v.1",
  heart: "M12 20S4 15 4 9.500A4 4 0 0 1 12 8a4 4 0 0 1 8 1.500C20 15 12 20 12 20Z",
};

/** @param {string} name @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? "");
  svg.append(path);
  return svg;
}
