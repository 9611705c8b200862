export { decodeRecording, isRecording, type Recording, readRecording, type StepRecord } from './read-recording.js';
export type { RecordingDocument } from './recording-document.js';
export { DEFAULT_RECORDED_STEPS, RECORD_STATES, type RecordState } from './recording-layout.js';
export { openRecorder, type RecorderOptions, recordingFile, type StepRecorder } from './step-recorder.js';
