import zod = require("zod");

/** zod as one file after the other: as a module, its hundred files are all opened at once, in every thread that loads it. */
export import z = zod.z;
