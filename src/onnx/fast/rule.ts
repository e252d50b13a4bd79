import type { NodeProto } from "../schema.js";
import type { IntegerNetwork } from "./integer-network.js";

/** Adds a node's operation to a network, in integers where what it reads and makes are, else in float32. @throws UnsupportedLayer */
export type Rule = (node: NodeProto, network: IntegerNetwork) => void;
