/** Camera and microphone of this machine: opening them, and saying plainly what went wrong. */

/** @typedef {"ok" | "off" | "blocked" | "missing" | "busy" | "failed" | "unsupported"} Outcome */

/**
 * @typedef {Object} Opened
 * @property {MediaStreamTrack | null} audio
 * @property {MediaStreamTrack | null} video
 * @property {Outcome} microphone
 * @property {Outcome} camera
 */

/**
 * @typedef {Object} Wanted
 * @property {boolean} audio
 * @property {boolean} video
 * @property {string} [microphoneId]
 * @property {string} [cameraId]
 */

/** @type {Readonly<Record<string, Outcome>>} */
const OUTCOMES = {
  NotAllowedError: "blocked",
  SecurityError: "blocked",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "failed",
};

/** @param {unknown} error @returns {Outcome} */
export function outcomeOf(error) {
  const name = error instanceof Error || (typeof error === "object" && error !== null) ? /** @type {any} */ (error).name : "";
  return OUTCOMES[name] ?? "failed";
}

/**
 * Open both together, so that a person is asked once; when that fails, find out which of them will do.
 * @param {MediaDevices | undefined} media  absent on an insecure page and in some in-app browsers
 * @param {Wanted} wanted
 * @param {(name: "camera" | "microphone") => Promise<string>} permission  `granted`, `prompt`, `denied` or `unknown`
 * @returns {Promise<Opened>}
 */
export async function openDevices(media, wanted, permission) {
  /** @type {Opened} */
  const nothing = {
    audio: null,
    video: null,
    microphone: wanted.audio ? "unsupported" : "off",
    camera: wanted.video ? "unsupported" : "off",
  };
  if (!media?.getUserMedia) return nothing;
  const whole = await open(media, wanted);
  if (whole.stream) return opened(whole.stream, wanted, "ok", "ok");
  if (!wanted.audio || !wanted.video) return opened(null, wanted, whole.outcome, whole.outcome);

  // After a "no" to both we must not ask again at once; but a camera blocked for good leaves the microphone.
  const alone = async (/** @type {"camera" | "microphone"} */ name) =>
    whole.outcome !== "blocked" || (await permission(name)) === "granted";
  const audio = (await alone("microphone")) ? await open(media, { ...wanted, video: false }) : whole;
  const video = (await alone("camera")) ? await open(media, { ...wanted, audio: false }) : whole;
  return {
    audio: audio.stream?.getAudioTracks()[0] ?? null,
    video: video.stream?.getVideoTracks()[0] ?? null,
    microphone: audio.outcome,
    camera: video.outcome,
  };
}

/**
 * @param {MediaDevices} media
 * @param {Wanted} wanted
 * @returns {Promise<{stream: MediaStream | null, outcome: Outcome}>}
 */
async function open(media, { audio, video, microphoneId, cameraId }) {
  const picture = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
  const voice = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    const stream = await media.getUserMedia({
      audio: audio && { ...voice, ...(microphoneId ? { deviceId: { ideal: microphoneId } } : {}) },
      video: video && { ...picture, ...(cameraId ? { deviceId: { ideal: cameraId } } : { facingMode: "user" }) },
    });
    return { stream, outcome: "ok" };
  } catch (error) {
    return { stream: null, outcome: outcomeOf(error) };
  }
}

/** @param {MediaStream | null} stream @param {Wanted} wanted @param {Outcome} microphone @param {Outcome} camera @returns {Opened} */
function opened(stream, wanted, microphone, camera) {
  return {
    audio: stream?.getAudioTracks()[0] ?? null,
    video: stream?.getVideoTracks()[0] ?? null,
    microphone: wanted.audio ? microphone : "off",
    camera: wanted.video ? camera : "off",
  };
}

/**
 * The reason the record gets when there will be no video.
 * @param {Outcome} camera
 * @returns {"no_camera" | "camera_failed" | "declined"}
 */
export function audioReason(camera) {
  if (camera === "missing" || camera === "unsupported") return "no_camera";
  return camera === "busy" || camera === "failed" ? "camera_failed" : "declined";
}

/** @param {Permissions | undefined} permissions @returns {(name: "camera" | "microphone") => Promise<string>} */
export function permissionsOf(permissions) {
  return async (name) => {
    try {
      const status = await permissions?.query({ name: /** @type {PermissionName} */ (name) });
      return status?.state ?? "unknown";
    } catch {
      return "unknown"; // a browser that does not know the name
    }
  };
}
