export { decodeRecording, type RecordedCapture, type Recording, type StepRecord } from './decode-recording.js';
export { readRecording } from './read-recording.js';
export type { RecordingDocument } from './recording-document.js';
export { isRecording } from './recording-header.js';
export { type CaptureStage, DEFAULT_RECORDED_STEPS, RECORD_STATES, type RecordState } from './recording-layout.js';
export { openRecorder, type RecorderOptions, recordingFile, type StepRecorder } from './step-recorder.js';
