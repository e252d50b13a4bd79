/** What the files of a checkpoint are called. */
export const WEIGHTS = "model.safetensors";
export const CONFIG = "config.json";
export const TRAINING = "training.safetensors";
export const CONVOLUTIONS = "convolutions.json";
export const CALIBRATION = "calibration.json";
