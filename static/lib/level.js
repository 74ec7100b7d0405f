/** How loud a microphone is, so that a person sees that they are heard. */

/** @param {Float32Array} samples  -1 to 1 @returns {number} 0 (silence) to 1 (loud), on a scale that follows the ear */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-10);
  return Math.min(1, Math.max(0, (decibels + 60) / 50)); // -60 dB is a quiet room, -10 dB a raised voice
}

/**
 * @param {AudioContext} context
 * @param {MediaStreamTrack} track
 * @param {import("./clock.js").Clock} clock
 * @param {(level: number) => void} tell  ten times a second
 * @returns {() => void} how to stop
 */
export function watchLevel(context, track, clock, tell) {
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  /** @type {() => void} */
  let callOff = () => {};
  const look = () => {
    analyser.getFloatTimeDomainData(samples);
    tell(loudness(samples));
    callOff = clock.after(100, look);
  };
  look();
  return () => {
    callOff();
    source.disconnect();
  };
}
