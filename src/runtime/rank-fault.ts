/**
 * Errors that every rank throws alike, and that leave the group whole: the step can be tried again. After any other error between an
 * all-gather and the launch a rank ends the group, since it cannot know whether its peers saw what it saw.
 */
export const AGREED: readonly string[] = ['ERR_ABORTED', 'ERR_CAPTURE_ASYMMETRIC', 'ERR_RANK_FAULT'];

/** Fault code of a rank whose device failed; the caller may use any other code. */
export const DEVICE_FAULT = 1;
