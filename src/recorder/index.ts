export { decodeRecording, isRecording, type Recording, readRecording, type StepRecord } from './read-recording.js';
export type { RecordingDocument } from './recording-document.js';
export { DEFAULT_RECORDED_STEPS, type RecordState } from './recording-layout.js';
export { openRecorder, type RecorderOptions, recordingFile, type StepRecorder } from './step-recorder.js';
