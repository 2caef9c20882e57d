--- What goes wrong in a run, and who stops it, at instants of virtual time: ports, disk, clock, operator.
--- What the device itself does wrong is moonpulse.simulation.faults'.
local core = require "moonpulse.core"
local stops = require "moonpulse.run.stop_sources"

local M = {}

local on_wire_ns = 25000000 -- the longest frame, on the slowest line
local signals = "Ctrl-C (SIGINT)"
local heard_ns = 3000000 -- the loop hears of a signal some time after its handler has run

--- The stimulator's session, if there is one: an experiment listens to its triggers with another. Several
--- devices have one each.
local function session_of(run, number)
  return run.device and run.device.stimulator.link.session or run.sessions[number or 1]
end

--- A stop, as each source makes it.
local sources = {
  key = function(run) stops.interrupt(run.job, "key") end,
  signal = function(run)
    for i = 1, run.parts and #run.sessions or 1 do
      session_of(run, i):stop("signal", true) -- the handler
    end
    core.wait(heard_ns / 1e9)
    if not run.over then
      run.job.signal = run.job.signal or signals
      stops.interrupt(run.job, "signal")
    end
  end,
  line = function(run) session_of(run):stop("line", true) end,
  guard = function(run, number) session_of(run, number):stop("guard", true) end,
}

local function state_of(run, number)
  local session = session_of(run, number)
  return session and session:state() or "closed"
end

local ranks = { closed = 0, connected = 1, armed = 2, running = 3 }

--- In which states a stop meets several devices, and the state that counts: a guard is of one of them.
local function states_of(run, trouble)
  local states, highest = {}, "closed"
  for i = 1, #run.scenario.several do
    states[i] = state_of(run, i)
    highest = (ranks[states[i]] or 0) > ranks[highest] and states[i] or highest
  end
  return states, trouble.source == "guard" and states[trouble.of] or highest
end

local actions = {}

function actions.stop(run, trouble)
  local state, states = state_of(run), nil
  if run.parts then
    states, state = states_of(run, trouble)
  end
  if run.parts and trouble.source == "guard" and ranks[state] < ranks.armed then
    return -- it has no guard
  end
  run.stops[#run.stops + 1] = { source = trouble.source, at_ns = core.clock_ns(), state = state,
    states = states }
  if state ~= "closed" or trouble.source == "key" then
    sources[trouble.source](run, trouble.of)
  end
end

function actions.port(run, trouble)
  local wire = run.wire
  if trouble.kind == "lost" then
    run.served:catch_up(true) -- by the wire, which says nothing more once it is lost
    run.lost_ns = core.clock_ns()
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
    local is_own = trouble.on == run.number -- what several devices have in common begins with the run
    if is_own and trouble.at_s and actions[trouble.what] then
      core.spawn(happen, run, trouble)
    elseif is_own then
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

--- For how long a write stalls at most; nil: none does.
---@param scenario moonpulse.explore.Scenario
---@return integer? ns
function M.longest_stall_ns(scenario)
  local longest
  for _, trouble in ipairs(scenario.troubles) do
    local ns = trouble.kind == "stalled" and math.floor(trouble.stall_ms * 1e6)
    longest = ns and math.max(longest or 0, ns) or longest
  end
  return longest
end

--- When a trouble is there, on the clock: from its instant until it is over. A write that stalls is the next
--- one after that, and its bytes are with the simulator when it has returned.
---@param run table of moonpulse.explore.play
---@param trouble table
---@return number from_ns
---@return number to_ns
function M.span(run, trouble)
  local from_ns = trouble.at_s and run.began_ns + trouble.at_s * 1e9 or 0
  if trouble.kind == "stalled" then
    local stall_ns = trouble.stall_ms * 1e6
    local heard = (trouble.on and run.parts[trouble.on] or run).heard
    for i = 1, #heard, 2 do
      if heard[i] >= from_ns + stall_ns then
        return from_ns, heard[i] + on_wire_ns
      end
    end
    return from_ns, math.huge
  end
  return from_ns, trouble.for_ms and from_ns + trouble.for_ms * 1e6 or math.huge
end

--- For how long clock or port hold up what happens between two instants: 0 if nothing is then.
---@param run table
---@param from_ns number
---@param to_ns number
---@param what string? only "port" or "clock"
---@return integer ns
function M.held_ns(run, from_ns, to_ns, what)
  local held = 0
  for _, trouble in ipairs(run.scenario.troubles) do
    local ms = trouble.for_ms or trouble.stall_ms or (trouble.most_us or 0) / 1000
    local holds = ms > 0 and trouble.kind ~= "full" and trouble.kind ~= "short"
    if holds and (not what or trouble.what == what) then
      local begins, ends = M.span(run, trouble)
      held = held + (begins <= to_ns and ends >= from_ns and math.floor(ms * 1e6) or 0)
    end
  end
  return held
end

--- When clock or port are first disturbed in what concerns times; never: math.huge.
---@param run table
---@return number ns
function M.disturbed_ns(run)
  local first = math.huge
  for _, trouble in ipairs(run.scenario.troubles) do
    if trouble.what == "clock" or trouble.kind == "stalled" then
      first = math.min(first, (M.span(run, trouble)))
    end
  end
  return first
end

--- Did anything go wrong, or anybody stop it? A flight record that cannot be synced disturbs no run, nor does
--- a trouble whose time did not come.
---@param run table of moonpulse.explore.evidence
---@param but_stops "but stops"? beside an operator's stops
---@return boolean
function M.happened(run, but_stops)
  for _, trouble in ipairs(run.met) do
    if trouble.kind ~= "sync" and not (but_stops and trouble.what == "stop") then
      return true
    end
  end
  return M.broke(run)
end

--- Did the device itself go wrong, of these kinds (nil: of any)?
---@param run table of moonpulse.explore.evidence
---@param kinds table<string, boolean>?
---@return boolean
function M.broke(run, kinds)
  for _, trouble in ipairs(run.scenario.troubles) do
    if trouble.what == "device" and (not kinds or kinds[trouble.kind]) then
      if trouble.at == 0 then
        return true
      end
      for _, entry in ipairs(run.log) do
        if entry.event == "fault" and entry.note:find(trouble.kind, 1, true) then
          return true
        end
      end
    end
  end
  return false
end

local deaf = { unplug = true, ["half-open"] = true }

--- May the device not have what it is told?
---@param run table of moonpulse.explore.evidence
---@return boolean
function M.unreachable(run)
  return M.has(run.scenario, "port", "lost") ~= nil or M.broke(run, deaf)
end

--- Did the port take a frame in part only, or with a gap?
---@param run table of moonpulse.explore.evidence
---@return boolean
function M.cuts_frames(run)
  for _, trouble in ipairs(run.met) do
    if trouble.what == "port" and trouble.kind ~= "stalled" then
      return true
    end
  end
  return M.broke(run, deaf)
end

return M
