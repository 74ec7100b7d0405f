/**
 * An offer without what the server does not read. In a group of twelve a browser's own text has 80 KB, since each line
 * tells of every codec that it knows; the server takes 2 KiB a line, and 34 KB are left.
 */

const READ = new Set(["mid", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux", "bundle-only", "setup", "ice-ufrag", "ice-pwd", "fingerprint", "candidate", "ssrc-group"]);
const EXTENSION = /(?:sdes:mid|ssrc-audio-level|abs-send-time|transport-wide-cc-extensions-01)$/;
const CODEC = /^(?:opus|vp8|h264)\//i;

/** @param {string} sdp @returns {string} */
export function brief(sdp) {
  const [session, ...media] = sdp.split(/^(?=m=)/m);
  return [session, ...media.map((section) => (/^m=(?:audio|video) /.test(section) ? trimmed(section) : section))].join("");
}

/** @param {string} section  of audio or video */
function trimmed(section) {
  const lines = section.split("\r\n");
  const types = forwarded(lines);
  return lines.filter((line) => isRead(line, types)).join("\r\n");
}

/** The payload types of codecs that are forwarded, and of their retransmissions. @param {string[]} lines @returns {Set<string>} */
function forwarded(lines) {
  /** @type {Map<string, {codec: string, parameters: string}>} */
  const known = new Map();
  for (const line of lines) {
    const [, kind, type = "", rest = ""] = /^a=(rtpmap|fmtp):(\d+) (.*)$/.exec(line) ?? [];
    const before = known.get(type) ?? { codec: "", parameters: "" };
    if (kind === "rtpmap") known.set(type, { ...before, codec: rest });
    if (kind === "fmtp") known.set(type, { ...before, parameters: rest });
  }
  const types = new Set();
  for (const [type, { codec, parameters }] of known) {
    // H264 comes in a dozen kinds; those of the other packetization are what nobody would choose.
    if (CODEC.test(codec) && (!/^h264\//i.test(codec) || parameters.includes("packetization-mode=1"))) types.add(type);
  }
  for (const [type, { codec, parameters }] of known) {
    if (/^rtx\//i.test(codec) && types.has(/apt=(\d+)/.exec(parameters)?.[1])) types.add(type);
  }
  return types;
}

/** @param {string} line @param {Set<string>} types */
function isRead(line, types) {
  const [, name = "", value = ""] = /^a=([^:]+):?(.*)$/.exec(line) ?? [];
  if (!name || READ.has(name)) return true;
  if (name === "extmap") return EXTENSION.test(value);
  if (name === "rtpmap" || name === "fmtp") return types.has(value.split(" ")[0] ?? "");
  if (name === "rtcp-fb") return value.endsWith(" transport-cc") && types.has(value.split(" ")[0] ?? "");
  return name === "ssrc" && value.includes(" cname:");
}
