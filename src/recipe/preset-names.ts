export const PRESET_NAMES = ["baseline", "efficient", "bag-of-tricks", "fine-tune"] as const;
export type PresetName = (typeof PRESET_NAMES)[number];
