-- A run in virtual time on a computer that is often late: the sending thread wakes up to 3 ms after its time,
-- as the seed says, and mostly far less (engine/world_late.c).
--   moonpulse lua tests/bids/late_run.lua SEED run ... --speed max --late skip
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"

local most_late_ns = 3000000 -- three times the tolerance that a run has if none is given

local seed = assert(math.tointeger(tonumber(arg[1])), "the seed is missing")
local go_virtual = core.go_virtual

function core.go_virtual(pace)
  go_virtual(pace)
  core.be_late(seed, most_late_ns)
end

os.exit(cli.main { table.unpack(arg, 2) } or 0, true)
