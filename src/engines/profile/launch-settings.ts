import type { EngineProfile } from './engine-profile.js';

/** What a launch line or a configuration says. Fields that are undefined were not given. */
export interface LaunchSettings {
  readonly profile: Partial<EngineProfile>;
  /** Whether it says anything about which graphs are captured. */
  readonly graphs: boolean;
}
