"""The layout of the state machine's arrays, and the codes of the feed."""

import math

# One row of the feed as integers; the book's (bid price, bid size, ask price, ask size) of each level follow.
STAMP, ACTION, SIDE, PRICE, SIZE, FLAGS, BOOK = range(7)
ADD, CANCEL, CLEAR, TRADE = 0, 1, 3, 4  # of schema.ACTION
SELL, BUY = 0, 1  # of schema.SIDE
LAST, SNAPSHOT = 128, 32
NO_BID, NO_ASK = -(2**63), 2**63 - 1
NO_PRICE = 2**63 - 1
NONE = -(2**63)  # no mid, no time
NAN = math.nan

# `total`: five parts of flow for each level, then these sums.
BID_FLOW, ASK_FLOW, ADDS, CANCELS, TRADES, PARTS = range(6)
STATES, DEPTH, SIDES, BOUGHT, SOLD, BUYS, SELLS, TRADED, COUNT, SUMS = range(10)

# `ring`: time and mid, then these sums, then all of flow and depth if there are windows of flow.
TIME, MID2, LANES = 0, 1, 2
LANE_BID, LANE_ASK, LANE_STATES, LANE_COUNT, LANE_BOUGHT, LANE_SOLD, FIXED_LANES = range(7)

# `due`: a trade whose realised spread is not known yet.
DUE_AT, DUE_PRICE, DUE_SIGNED, DUE_MID2, DUE_FIELDS = range(5)

BUCKETS = 50  # of VPIN
ROLL_TRADES = 101
