/** Which browser this is, only to show the right steps when a camera is blocked. */

/** @typedef {"chrome" | "firefox" | "safari" | "edge" | "ios" | "android" | "other"} Browser */

/** @param {string} agent  navigator.userAgent @param {number} [touchPoints]  tells an iPad from a Mac @returns {Browser} */
export function whichBrowser(agent, touchPoints = 0) {
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)) return "ios";
  if (/Android/.test(agent)) return "android";
  if (/Edg\//.test(agent)) return "edge";
  if (/Firefox\//.test(agent)) return "firefox";
  if (/Chrom(e|ium)\//.test(agent)) return "chrome";
  return /Safari\//.test(agent) ? "safari" : "other";
}
