// Written by scripts/write-layout.mjs from src/layout/layout.ts.
export const LAYOUT_VERSION: i32 = 3;
export const MAX_PARTS: i32 = 4;
export const MAX_QUERY_LENS: i32 = 4;
export const MAX_CHECK_RANKS: i32 = 8;
export const VIOLATION_WORDS: i32 = 9;
export const MAX_VIEWS: i32 = 5;
export const CONFIG_BASE: i32 = 262144;
export const CONFIG_REGIONS: i32 = 20;
export const CONFIG_TENSORS: i32 = 58;
export const MAX_KV_GROUPS: i32 = 8;
export const CONFIG_KV_GROUPS: i32 = 158;
export const KV_GROUP_OFFSETS: i32 = 9;
export const KV_GROUP_TENSOR_OFFSETS: i32 = 28;
export const KV_GROUP_WORDS: i32 = 68;
export const CONFIG_WORDS: i32 = 702;
export const COMMAND_HEADER_WORDS: i32 = 8;
export const MAX_COMMANDS: i32 = 256;
export const MAX_EVENT_BUCKETS: i32 = 64;
export const EVENT_ROOM: i32 = 8;
export const BLOCK_LIST_TAIL: i32 = 16;
export const VOTE_WORDS: i32 = 32;
export const DECISION_WORDS: i32 = 24;
export const PART_WORDS: i32 = 4;
export const KEY_WORDS: i32 = 12;
export const POLICY_WORDS: i32 = 28;
export const FACT_WORDS: i32 = 13;
export const REDUCED_WORDS: i32 = 21;
export const OWN_GRAPH_WORDS: i32 = 10;
export const CANDIDATE_WORDS: i32 = 2;
export const ACTION_WORDS: i32 = 13;
export const PROPERTY_WORDS: i32 = 9;
export const STATE_WORDS: i32 = 22;
export const ROW_WORDS: i32 = 12;
export const LOCAL_WORDS: i32 = 12;
export const LOCAL_PART_WORDS: i32 = 8;
export const ERROR_WORDS: i32 = 5;
export const TENSOR_WORDS: i32 = 10;
export const LIMIT_WORDS: i32 = 20;
export const REGION_WORDS: i32 = 38;
export const KV_GROUP_SIZE_WORDS: i32 = 9;
export const KV_GROUP_REGION_WORDS: i32 = 19;
export const KV_GROUP_STATE_WORDS: i32 = 3;
export const KV_GROUP_TENSOR_WORDS: i32 = 4;
export const MIRROR_WORDS: i32 = 3;
export const CURSOR_WORDS: i32 = 3;
export const APPEND_WORDS: i32 = 4;
export const STAMP_WORDS: i32 = 4;
export const CMD_WORDS: i32 = 8;

export const enum Vote {
  Version = 0,
  Step = 1,
  PlanHash = 2,
  Control = 3,
  FaultCode = 4,
  Phase = 5,
  Tokens = 6,
  PrefillRequests = 7,
  DecodeRequests = 8,
  UniformQueryLen = 9,
  MaxQueryLen = 10,
  PaddedTokens = 11,
  MaxSeqLen = 12,
  GraphMode = 13,
  Variant = 14,
  WantsUbatches = 15,
  MeetsMinimum = 16,
  CanSplit = 17,
  Parts = 18,
  Part0Tokens = 19,
  Part1Tokens = 20,
  Part2Tokens = 21,
  Part3Tokens = 22,
  GraphVeto = 23,
  UbatchVeto = 24,
  Flags = 25,
  MaxDecodeQueryLen = 26,
  Reserved27 = 27,
  Reserved28 = 28,
  Reserved29 = 29,
  DecisionHash = 30,
  Seal = 31,
}

export const enum Decision {
  Version = 0,
  Step = 1,
  Run = 2,
  Reason = 3,
  ReasonRank = 4,
  ReasonDetail = 5,
  CaptureKey = 6,
  Phase = 7,
  PaddedTokens = 8,
  PaddedRequests = 9,
  QueryLen = 10,
  Parts = 11,
  Ranks = 12,
  BusyRanks = 13,
  UbatchWishes = 14,
  PlainTwin = 15,
  Leave = 16,
  MaxTokens = 17,
  Variant = 18,
  PaddedPrefillRequests = 19,
  PaddedDecodeRequests = 20,
  Overlap = 21,
  HeldWishes = 22,
  Reserved23 = 23,
}

export const enum Part {
  PaddedTokens = 0,
  PaddedRequests = 1,
  Gather = 2,
  Reserved3 = 3,
}

export const enum Key {
  Mode = 0,
  Tokens = 1,
  PrefillRequests = 2,
  DecodeRequests = 3,
  QueryLen = 4,
  MaxQueryLen = 5,
  Parts = 6,
  Variant = 7,
  Collectives = 8,
  Reserved9 = 9,
  Reserved10 = 10,
  Reserved11 = 11,
}

export const enum Policy {
  Ubatches = 0,
  UbatchThresholdDecode = 1,
  UbatchThresholdPrefill = 2,
  TokenAlignment = 3,
  EagerEmptyPart = 4,
  EnforceEager = 5,
  MaxPaddingPermille = 6,
  UbatchHysteresis = 7,
  GraphAgreement = 8,
  UbatchAgreement = 9,
  LastPart = 10,
  DecodeMatch = 11,
  MixedGraphs = 12,
  MixedMatch = 13,
  EagerGather = 14,
  EagerParts = 15,
  Split = 16,
  SharedBlocks = 17,
  UbatchMinRequests = 18,
  UbatchCaptureMinRequests = 19,
  ExclusiveResources = 20,
  OnSharedResource = 21,
  PartSizes = 22,
  Prepare = 23,
  CaptureGuard = 24,
  GraphLookup = 25,
  IdleRanks = 26,
  Dummies = 27,
}

export const enum Fact {
  Tokens = 0,
  PrefillRequests = 1,
  DecodeRequests = 2,
  UniformQueryLen = 3,
  MaxQueryLen = 4,
  MaxSeqLen = 5,
  CanSplit = 6,
  Part0Tokens = 7,
  Part1Tokens = 8,
  Part2Tokens = 9,
  Part3Tokens = 10,
  MaxDecodeQueryLen = 11,
  SharedBlock = 12,
}

export const enum Reduced {
  Ranks = 0,
  BusyRanks = 1,
  LeavingRanks = 2,
  Wishes = 3,
  HeldWishes = 4,
  Phase = 5,
  Tokens = 6,
  MinTokens = 7,
  PrefillRequests = 8,
  DecodeRequests = 9,
  Requests = 10,
  MaxQueryLen = 11,
  MaxDecodeQueryLen = 12,
  UniformQueryLen = 13,
  Variant = 14,
  GraphMode = 15,
  PaddedTokens = 16,
  Parts = 17,
  VetoRank = 18,
  EagerRank = 19,
  RefusalRank = 20,
}

export const enum OwnGraph {
  Tokens = 0,
  PrefillRequests = 1,
  DecodeRequests = 2,
  UniformQueryLen = 3,
  MaxQueryLen = 4,
  MaxDecodeQueryLen = 5,
  Variant = 6,
  MostMode = 7,
  PaddedTokens = 8,
  GraphMode = 9,
}

export const enum Candidate {
  Verdict = 0,
  Detail = 1,
}

export const enum Action {
  PreparedTokens = 0,
  PreparedRequests = 1,
  Run = 2,
  Key = 3,
  Tokens = 4,
  Requests = 5,
  Parts = 6,
  Overlap = 7,
  Part0Tokens = 8,
  Part1Tokens = 9,
  Part2Tokens = 10,
  Part3Tokens = 11,
  Gather = 12,
}

export const enum Property {
  P1 = 0,
  P2 = 1,
  P3 = 2,
  P4 = 3,
  P5 = 4,
  P6 = 5,
  P9 = 6,
  P10 = 7,
  P11 = 8,
}

export const enum State {
  FreeRows = 0,
  Generation = 1,
  Step = 2,
  Decodes = 3,
  Prefills = 4,
  Tokens = 5,
  PoolTokens = 6,
  IdDecodes = 7,
  Depending = 8,
  Built = 9,
  LastDecodes = 10,
  Lanes = 11,
  Gaps = 12,
  Windowed = 13,
  Moved = 14,
  Listed = 15,
  Longest = 16,
  LongestKnown = 17,
  ChangedLanes = 18,
  OrderChanges = 19,
  OrderRows = 20,
  SeenAlone = 21,
}

export const enum Row {
  Active = 0,
  Generation = 1,
  NumComputedTokens = 2,
  Lane = 3,
  Step = 4,
  Phase = 5,
  QueryLen = 6,
  LastChunk = 7,
  TokenOffset = 8,
  TableRow = 9,
  DependsOn = 10,
  Pending = 11,
}

export const enum Local {
  Step = 0,
  Staging = 1,
  Tokens = 2,
  Requests = 3,
  DecodeRequests = 4,
  PaddedTokens = 5,
  AttentionRequests = 6,
  QueryLen = 7,
  Parts = 8,
  NumLogits = 9,
  MaxSeqLen = 10,
  Rows = 11,
}

export const enum LocalPart {
  RequestBegin = 0,
  RequestEnd = 1,
  TokenBegin = 2,
  TokenEnd = 3,
  PaddedTokens = 4,
  AttentionRequests = 5,
  TableRow = 6,
  NumLogits = 7,
}

export const enum Error {
  Code = 0,
  Row = 1,
  Value = 2,
  Limit = 3,
  Group = 4,
}

export const enum Tensor {
  InputIds = 0,
  Positions = 1,
  QueryStartLoc = 2,
  SeqLens = 3,
  TokenToRequest = 4,
  IsPadding = 5,
  LogitsIndices = 6,
  TokensPerRank = 7,
  LocalSeqLens = 8,
  TokensPerRankReal = 9,
}

export const enum Limit {
  Rank = 0,
  Ranks = 1,
  MaxRequests = 2,
  MaxPaddedRequests = 3,
  MaxTokens = 4,
  MaxPaddedTokens = 5,
  MaxModelLen = 6,
  ContextParallelSize = 7,
  ContextParallelRank = 8,
  InterleaveSize = 9,
  NumKeys = 10,
  QueryLen = 11,
  MaxParts = 12,
  Poisoned = 13,
  ReplicaSize = 14,
  AppendLog = 15,
  BlockWriters = 16,
  Checked = 17,
  PaddedSeqLen = 18,
  KvGroups = 19,
}

export const enum Region {
  Policy = 0,
  Keys = 1,
  QueryLens = 2,
  Dispatch = 3,
  KeyOrder = 4,
  Votes = 5,
  OwnVote = 6,
  VoteRanges = 7,
  Decision = 8,
  Previous = 9,
  Local = 10,
  Facts = 11,
  Reduction = 12,
  OwnReduction = 13,
  OwnGraph = 14,
  Candidates = 15,
  Check = 16,
  Error = 17,
  Commands = 18,
  State = 19,
  Rows = 20,
  FreeRows = 21,
  Decodes = 22,
  IdDecodes = 23,
  FreedLanes = 24,
  ChangedLanes = 25,
  Prefills = 26,
  Order = 27,
  OrderGenerations = 28,
  OrderLog = 29,
  Inbox = 30,
  InboxCounts = 31,
  TokenPool = 32,
  LaneStarts = 33,
  LaneLens = 34,
  LaneSteps = 35,
  BlockWriters = 36,
  Stamps = 37,
}

export const enum KvGroupSize {
  Index = 0,
  BlockSize = 1,
  KernelBlockSize = 2,
  NumBlocks = 3,
  Window = 4,
  MaxBlocks = 5,
  TableWidth = 6,
  BlockListStride = 7,
  MaxKvIndices = 8,
}

export const enum KvGroupRegion {
  GroupState = 0,
  BlockLists = 1,
  BlockCounts = 2,
  LaneBounds = 3,
  LaneBases = 4,
  LaneNextBases = 5,
  EventLanes = 6,
  EventPlaces = 7,
  EventStarts = 8,
  EventCounts = 9,
  BlockHolders = 10,
  HighWater = 11,
  AppendLog = 12,
  MirrorGenerations = 13,
  MirrorCounts = 14,
  MirrorCursors = 15,
  TableEdits = 16,
  BlockTable0 = 17,
  BlockTable1 = 18,
}

export const enum KvGroupState {
  EventBuckets = 0,
  Appends = 1,
  TableEdits = 2,
}

export const enum KvGroupTensor {
  SlotMapping = 0,
  KvIndptr = 1,
  KvIndices = 2,
  KvLastPageLen = 3,
}

export const enum Mirror {
  Staging0 = 0,
  Staging1 = 1,
  Device = 2,
}

export const enum Cursor {
  OrderChanges = 0,
  Rows = 1,
  Appends = 2,
}

export const enum Append {
  Generation = 0,
  TableRow = 1,
  Column = 2,
  Block = 3,
}

export const enum Stamp {
  QueryLen = 0,
  Requests = 1,
  AttentionRequests = 2,
  PaddedTokens = 3,
}

export const enum Cmd {
  Op = 0,
  A = 1,
  B = 2,
  C = 3,
  D = 4,
  E = 5,
  F = 6,
  G = 7,
}

export const enum Control {
  Run = 0,
  Leave = 1,
  Fault = 2,
}

export const enum Phase {
  Idle = 0,
  Decode = 1,
  Prefill = 2,
  Mixed = 3,
}

export const enum Mode {
  None = 0,
  Piecewise = 1,
  Full = 2,
}

export const enum KeyKind {
  Decode = 0,
  Mixed = 1,
  Piecewise = 2,
}

export const enum Run {
  Park = 0,
  Eager = 1,
  Piecewise = 2,
  Full = 3,
}

export const enum Gather {
  None = 0,
  Padded = 1,
  Variable = 2,
  Sum = 3,
}

export const enum Reason {
  AllIdle = 0,
  Graph = 1,
  GraphUbatched = 2,
  PlainTwin = 3,
  PlainOnly = 4,
  NoKeyForPhase = 5,
  NoKeyForQueryLength = 6,
  AboveLadder = 7,
  NoPlainTwin = 8,
  Vetoed = 9,
  EnforceEager = 10,
  NoKeyForVariant = 11,
  Leave = 12,
  GraphMixed = 13,
  GraphPiecewise = 14,
  AbovePaddingFactor = 15,
  RankEager = 16,
  EmptyPart = 17,
  NoUbatchedKey = 18,
  NoExactKey = 19,
}

export const enum Verdict {
  Chosen = 0,
  Larger = 1,
  Variant = 2,
  QueryLength = 3,
  Tokens = 4,
  Requests = 5,
  PrefillRequests = 6,
  Phase = 7,
  NotUbatched = 8,
  UbatchesNotAgreed = 9,
  PaddingFactor = 10,
  Mode = 11,
  StepEager = 12,
  FullPreferred = 13,
  NotExact = 14,
}

export const enum GraphAgreement {
  Shape = 0,
  MinModePadded = 1,
  MinMode = 2,
}

export const enum UbatchAgreement {
  BusyWish = 0,
  AllWish = 1,
  MinTokens = 2,
  AnyMinimum = 3,
  SamePhase = 4,
}

export const enum LastPart {
  Run = 0,
  Refuse = 1,
  Eager = 2,
}

export const enum DecodeMatch {
  Padded = 0,
  Uniform = 1,
  Exact = 2,
  ExactAll = 3,
}

export const enum MixedGraphs {
  Never = 0,
  OneRank = 1,
  Agreed = 2,
  AnyStep = 3,
  Decodes = 4,
}

export const enum MixedMatch {
  Strict = 0,
  Slots = 1,
  SlotCount = 2,
}

export const enum EagerGather {
  Variable = 0,
  PaddedDecode = 1,
  MaxOrSum = 2,
  OwnPadded = 3,
}

export const enum EagerParts {
  Maxima = 0,
  EqualShares = 1,
}

export const enum Split {
  TokenShare = 0,
  Balanced = 1,
  TokenMidpoint = 2,
  PaddedShare = 3,
}

export const enum SharedBlocks {
  LayerOrder = 0,
  Veto = 1,
}

export const enum Resource {
  CustomAllGather = 1,
  SideStream = 2,
  Communicator = 4,
}

export const enum OnSharedResource {
  Serialize = 0,
  Overlap = 1,
}

export const enum PartSizes {
  Agreed = 0,
  Local = 1,
}

export const enum Prepare {
  Decision = 0,
  Local = 1,
}

export const enum CaptureGuard {
  All = 0,
  None = 1,
}

export const enum GraphLookup {
  Agreed = 0,
  Own = 1,
}

export const enum IdleRanks {
  Dummy = 0,
  Return = 1,
}

export const enum Dummies {
  Agreed = 0,
  Eager = 1,
  OneToken = 2,
}

export const enum Veto {
  None = 0,
  EmbeddingsOverride = 1,
  SharedBlock = 2,
  CascadeAttention = 3,
  EncoderOutput = 4,
  Other = 5,
}

export const enum EmptyPart {
  Dummy = 0,
  Plain = 1,
}

export const enum Resolve {
  Ok = 0,
  Version = -1,
  Step = -2,
  Plan = -3,
  Fault = -4,
  Previous = -5,
  Limits = -6,
  Replica = -7,
  Seal = -8,
  Decision = -9,
  Range = -10,
}

export const enum Edit {
  Ok = 0,
  RowUnknown = -1,
  RowsFull = -2,
  BlockInvalid = -3,
  BlocksFull = -4,
  TokensFull = -5,
  PositionBeyondBlocks = -6,
  ScheduledTwice = -7,
  QueryLength = -8,
  ModelLength = -9,
  RowScheduled = -10,
  BlockWrittenTwice = -11,
  BlockShared = -12,
  RowNotContinued = -13,
  DraftsAccepted = -14,
}

export const enum Command {
  None = 0,
  Upload = 1,
  UploadRows = 2,
  Graph = 3,
  Record = 4,
  Wait = 5,
  Download = 6,
}
