import { describeEngine, type Engine } from "../tensor/engine.js";
import { describeMachine, type Machine } from "./machine.js";

/** Where a run ran: the machine and the engine. Every run keeps it as `environment.json`. */
export interface Environment extends Machine, Engine {}

/** The facts of this machine and engine, without names of hosts or users. Takes milliseconds. */
export function describeEnvironment(): Environment {
  return { ...describeMachine(), ...describeEngine() };
}
