import zod = require("zod");

/** zod as one file after the other: as a module, its hundred files are all opened at once, in every thread that loads it. */
export import z = zod.z;

// In zod's own words what is missing would be "expected string, received undefined".
z.config({
  customError: ({ code, input }) => (code === "invalid_type" && input === undefined ? "is missing" : undefined),
});
