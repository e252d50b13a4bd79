/** Objects that training programs save beside the tensors: kept closed, because knack has no use for them, and never run. */
import { kindOf, PickleFunction, Unread } from "./unpickle.js";

/** Classes and constructors of data only, by module. What could read, write or start something is none. */
const HARMLESS: Readonly<Record<string, string>> = {
  argparse: "Namespace",
  types: "SimpleNamespace",
  pathlib: "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath",
  "pathlib._local": "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath",
  datetime: "date datetime time timedelta timezone",
  zoneinfo: "ZoneInfo",
  time: "struct_time",
  decimal: "Decimal",
  fractions: "Fraction",
  uuid: "UUID SafeUUID",
  http: "HTTPStatus HTTPMethod",
  collections: "deque ChainMap UserDict UserList UserString",
  array: "_array_reconstructor array",
  builtins: "bool complex dict float int list object range slice str tuple Ellipsis NotImplemented",
  typing: "Any Dict List Optional Tuple Union",
  numpy: "ndarray matrix generic",
  "numpy.core.multiarray": "_reconstruct",
  "numpy._core.multiarray": "_reconstruct",
  "numpy.core.numeric": "_frombuffer",
  "numpy._core.numeric": "_frombuffer",
  "numpy.random": "__RandomState_ctor",
  "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
  "numpy.random._pcg64": "PCG64 PCG64DXSM",
  "numpy.random._mt19937": "MT19937",
  "numpy.random._philox": "Philox",
  "numpy.random._sfc64": "SFC64",
  "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
  "torch.torch_version": "TorchVersion",
  "torchvision.transforms.functional": "InterpolationMode",
  "omegaconf.base": "ContainerMetadata Metadata SCMode",
  "omegaconf.dictconfig": "DictConfig",
  "omegaconf.listconfig": "ListConfig",
  "omegaconf.nodes":
    "AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode InterpolationResultNode PathNode StringNode ValueNode",
  "pytorch_lightning.utilities.parsing": "AttributeDict",
  "lightning.pytorch.utilities.parsing": "AttributeDict",
  "lightning_fabric.utilities.data": "AttributeDict",
  "lightning.fabric.utilities.data": "AttributeDict",
  easydict: "EasyDict",
  "addict.addict": "Dict",
  "yacs.config": "CfgNode",
  "ml_collections.config_dict.config_dict": "ConfigDict FieldReference FrozenConfigDict",
  "mmcv.utils.config": "Config ConfigDict",
  "mmengine.config.config": "Config ConfigDict",
  "mmengine.logging.history_buffer": "HistoryBuffer",
  "fvcore.common.config": "CfgNode",
  "detectron2.config.config": "CfgNode",
};

const NUMPY_SCALARS =
  /^numpy\.(bool_?|u?int(8|16|32|64|c|p)|float(16|32|64)|complex(64|128)|str_|bytes_|datetime64|timedelta64)$/;

/** A class of the script that saved the file, as an enum or a dataclass of its settings: nothing of that name is here to run. */
const OF_THE_SCRIPT = /^__main__(\.[A-Za-z]\w*)+$/;

const NAMES: ReadonlySet<string> = new Set(
  Object.entries(HARMLESS).flatMap(([module, names]) => names.split(" ").map((name) => `${module}.${name}`)),
);

/** A class of harmless objects. */
class OpaqueClass extends PickleFunction {
  constructor(name: string) {
    super(name, () => new Unread(name));
  }
}

/** What stands for a class of harmless objects; undefined where the name is none. */
export function opaqueClass(name: string): PickleFunction | undefined {
  if (!NAMES.has(name) && !NUMPY_SCALARS.test(name) && !OF_THE_SCRIPT.test(name)) return undefined;
  return new OpaqueClass(name);
}

/** getattr, as enums and time zones are saved: only of a class that is opaque itself; what is got may be called, and is opaque too. */
export function attributeOf([of]: readonly unknown[], machine: { broken(what: string): Error }): unknown {
  if (of instanceof OpaqueClass) return new OpaqueClass(of.name);
  throw machine.broken(`its pickle asks for builtins.getattr of ${kindOf(of)}, which knack does not run`);
}

/** What protocols below 2 make objects with: the class, the builtin that it comes from and that one's value. */
export function reconstructed([made]: readonly unknown[], machine: { broken(what: string): Error }): unknown {
  if (made instanceof PickleFunction) return new Unread(made.name);
  throw machine.broken("its pickle makes an object of no class");
}
