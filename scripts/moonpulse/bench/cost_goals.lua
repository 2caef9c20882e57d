--- The goals of what a record costs (moonpulse.bench.cost).
local M = {}

--- Why a goal is missed where that is known.
M.reasons = {
  ["G22 played"] = "what a run in virtual time wrote is played again, with its driver and its simulator in "
    .. "Lua where no short cut stands beside them",
  ["G22 long way"] = "the engine's short cuts know one reply a pulse that confirms it: a StimJim says five "
    .. "lines, a Pulse Pal nothing, so that each pulse goes through the driver and the simulator in Lua",
  ["G23 export"] = "two copies of each row are written: the run's own file and that of beh/",
  ["G24 virtual"] = "SHA-256 with the processor's own instructions reads 1 to 2 GB/s, each file is read "
    .. "once, and a run with --speed max writes 200 bytes a pulse in half a microsecond; that they are read "
    .. "once is what the ratio holds",
}

local function ratio(a, b)
  return a and b and b > 0 and a / b or nil
end

--- Rows of what was measured.
---@param cost table? of cost.measure
---@param add fun(row: table)
---@param judge fun(row: table, values: number[]): table
function M.rows(cost, add, judge)
  if not cost then
    return
  end
  local million = 1e6 / cost.pulses
  local function seconds(id, what, value, limit, reason)
    add(judge({ id = id, reason = reason, limit = limit, what = what .. ", CPU s for 1,000,000 pulses" },
      { value and value * million }))
  end
  local function against(id, what, value, reference, limit)
    add(judge({ id = id, limit = limit, what = what }, { ratio(value, reference) }))
  end
  seconds("G22", "verify, flight.bin", cost.flight, 2)
  against("G22", "verify, flight.bin / sha256sum and wc -l of the same files", cost.flight,
    cost.flight_reading, 3)
  seconds("G22", "verify, played again", cost.virtual, 2, "G22 played")
  against("G22", "verify, played again / sha256sum and wc -l of the same files", cost.virtual,
    cost.virtual_reading, 3)
  for _, each in ipairs(cost.long_way or {}) do
    add(judge({ id = "G22", limit = 10, reason = "G22 long way",
      what = ("verify, a run of %s played again, CPU us a pulse"):format(each.device) },
      { each.verify and each.verify * 1e6 / each.pulses }))
    against("G22", ("verify, a run of %s played again / the run"):format(each.device), each.verify, each.run,
      1.2)
  end
  seconds("G22", "recover", cost.recover, 5)
  against("G22", "recover / sha256sum and wc -l of the same files", cost.recover, cost.flight_reading, 6)
  against("G22", "verify.sh, 10,000 lines of the journal / sha256sum of as many files", cost.script,
    cost.script_reading, 15)
  seconds("G23", "export bids", cost.export, 2, "G23 export")
  against("G23", "export bids / cp -r, sha256sum and wc -l of what it wrote", cost.export,
    cost.copying and cost.check_reading and cost.copying + cost.check_reading, 3)
  seconds("G23", "check-bids", cost.check, 2)
  against("G23", "check-bids / sha256sum and wc -l of the same files", cost.check, cost.check_reading, 3)
  local real, virtual = cost.real_run, cost.virtual_run
  local function percent(run)
    return { run.hashing and run.run and 100 * run.hashing / run.run }
  end
  add(judge({ id = "G24", limit = 2, what = "hashing and chaining, 30 s in real time, % of the run's CPU" },
    percent(real)))
  add(judge({ id = "G24", limit = 2, reason = "G24 virtual",
    what = "hashing and chaining, --speed max, % of the run's CPU" }, percent(virtual)))
  against("G24", "hashing and chaining, --speed max / sha256sum and wc -l of the same files", virtual.hashing,
    cost.virtual_reading, 0.5)
  local runs = cost.runs
  add(judge({ id = "G25", limit = 1, what = ("moonpulse runs, CPU s for 100,000 folders (%d were listed)")
    :format(runs.count) }, { runs.again and runs.again * 1e5 / runs.count }))
  against("G25", "moonpulse runs / find -printf of the same folders", runs.again, runs.looking, 3)
end

return M
