--- What goes wrong in a run, and who stops it, at instants of virtual time: ports, disk, clock, operator.
--- What the device itself does wrong is moonpulse.simulation.faults'.
local core = require "moonpulse.core"
local stops = require "moonpulse.run.stop_sources"

local M = {}

local signals = "Ctrl-C (SIGINT)"
local heard_ns = 3000000 -- the loop hears of a signal some time after its handler has run

--- The session that is open, if any.
local function session_of(run)
  return run.sessions[#run.sessions]
end

--- A stop, as each source makes it.
local sources = {
  key = function(run) stops.interrupt(run.job, "key") end,
  signal = function(run)
    session_of(run):stop("signal", true) -- the handler
    core.wait(heard_ns / 1e9)
    if not run.over then
      run.job.signal = run.job.signal or signals
      stops.interrupt(run.job, "signal")
    end
  end,
  line = function(run) session_of(run):stop("line", true) end,
  guard = function(run) session_of(run):stop("guard", true) end,
}

local function state_of(run)
  local session = session_of(run)
  return session and session:state() or "closed"
end

local actions = {}

function actions.stop(run, trouble)
  local state = state_of(run)
  run.stops[#run.stops + 1] = { source = trouble.source, at_ns = core.clock_ns(), state = state }
  if state ~= "closed" or trouble.source == "key" then
    sources[trouble.source](run)
  end
end

function actions.port(run, trouble)
  local wire = run.wire
  if trouble.kind == "lost" then
    run.lost_ns = core.clock_ns()
    run.served:catch_up(true)
    wire:close()
  elseif trouble.kind == "stalled" then
    wire:trouble(nil, math.floor(trouble.stall_ms * 1e6))
  else
    wire:trouble(trouble.kind == "full" and 0 or trouble.take)
  end
end

function actions.disk(run, trouble)
  run.full = true
  core.most_file(run.largest())
  if trouble.for_s then
    core.wait(trouble.for_s)
    core.most_file()
  end
end

--- A flight record that cannot be brought to the disk at the end: as its close says it.
local function no_sync(run, put)
  local flight = run.record and run.record.flight
  local methods = flight and debug.getmetatable(flight).__index
  if methods then
    local close = methods.close
    put(methods, "close", function(each)
      close(each)
      return nil, "Input/output error", "io"
    end)
    run.no_sync = true
  end
end

--- What has its effect from the beginning on.
local function arrange(run, trouble, put)
  run.met[#run.met + 1] = trouble.what ~= "device" and trouble or nil
  if trouble.what == "disk" then
    return no_sync(run, put)
  end
  if trouble.what == "clock" and trouble.kind == "late" then
    core.be_late(run.scenario.seed, trouble.most_us * 1000)
  elseif trouble.what == "clock" then
    local from_ns = run.began_ns + math.floor(trouble.at_s * 1e9)
    core.stall(trouble.who, from_ns, from_ns + math.floor(trouble.for_ms * 1e6))
  end
end

--- Let each trouble happen at its time; ends when the run is over.
local function happen(run, trouble)
  local left_s = run.began_ns / 1e9 + trouble.at_s - core.clock_ns() / 1e9
  run.waiting[core.current()] = true
  if not run.over then
    core.wait(math.max(0, left_s))
  end
  if not run.over then
    run.met[#run.met + 1] = trouble
    pcall(actions[trouble.what], run, trouble)
  end
  run.waiting[core.current()] = nil
end

--- The simulator is there: from now on troubles come.
---@param run table of moonpulse.explore.play
---@param put fun(owner: table, key: any, value: any) for the time of the run
function M.begin(run, put)
  for _, trouble in ipairs(run.scenario.troubles) do
    if trouble.at_s and actions[trouble.what] then
      core.spawn(happen, run, trouble)
    else
      arrange(run, trouble, put)
    end
  end
end

--- The run is over: nothing more happens.
---@param run table
function M.finish(run)
  run.over = true
  for task in pairs(run.waiting) do
    task:wake()
  end
  core.most_file()
end

--- The faults of the device in a scenario, as --fault reads them.
---@param scenario moonpulse.explore.Scenario
---@return string? text
function M.device_text(scenario)
  local list = {}
  for _, trouble in ipairs(scenario.troubles) do
    if trouble.what == "device" then
      list[#list + 1] = ("%s@%d"):format(trouble.kind, trouble.at)
    end
  end
  return list[1] and table.concat(list, ",")
end

--- Does the scenario have a trouble of this kind?
---@param scenario moonpulse.explore.Scenario
---@param what string
---@param kind string?
---@return table?
function M.has(scenario, what, kind)
  for _, trouble in ipairs(scenario.troubles) do
    if trouble.what == what and (not kind or trouble.kind == kind) then
      return trouble
    end
  end
end

return M
