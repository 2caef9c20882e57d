-- A script may end amid a plan in many ways: the script itself or a part of it, by an error, os.exit, a stop,
-- its end, a loop, a full memory; beside a plan that it plays, one that triggers start, and several channels.
-- In virtual time and in real time the record is whole, and a pulse more, less or elsewhere is found.
local cells_of = require("moonpulse.text.cells").of
local core = require "moonpulse.core"
local fixture = require "job"
local resealed = require "resealed"
local shell = require "shell"
local shim = require "shim"
local verify = require "moonpulse.verify"

local script = [[
  local mp = require "moonpulse"
  local ends = {
    error = function() error "boom" end,
    exit = function() os.exit(3) end,
    stop = function(run) run:stop "enough" end,
    finish = function() end,
    loop = function() while true do end end,
    memory = function()
      local kept = {}
      while true do kept[#kept + 1] = ("x"):rep(1 << 20) .. #kept end
    end }
  return mp.experiment { params = { how = { default = "error" }, who = { default = "part" },
    plan = { default = "train" }, period = { default = 0.1 } }, run = function(run)
    local stim, p = run:device(), run.params
    local train = mp.train { pulses = 30, hz = 1 / p.period, intensity = mp.mso(40) }
    local function play()
      local ok, problem = pcall(function()
        if p.plan == "trigger" then
          stim:on_trigger(mp.pulse(mp.mso(40)), { count = 30, refractory = p.period,
            timeout = 40 * p.period })
        elseif p.plan == "together" then
          stim:play(mp.together { ["0"] = train, ["1"] = mp.rest(0.3 * p.period)
            .. mp.train { pulses = 14, hz = 0.5 / p.period, intensity = mp.mso(30) } })
        elseif p.plan == "pulses" then
          for i = 1, 30 do
            stim:fire(mp.pulse(mp.mso(40)))
            run:note("pulse " .. i)
            run:sleep(0.3 * p.period)
          end
        else
          stim:play(train)
        end
      end)
      run:note "played"
      if not ok then error(problem, 0) end
    end
    local function stop()
      run:sleep(6.3 * p.period)
      ends[p.how](run)
    end
    stim:arm()
    if p.who == "part" then
      run:spawn(stop)
      play()
    else
      run:spawn(play)
      stop()
    end
  end }
]]

describe("a script that ends amid a plan", function()
  local folder, jobs
  fixture.each_test(function(new, list)
    folder, jobs = new, list
    shell.write(folder .. "/made.lua", script)
  end)

  local options = { magventure = "-p period=0.3", magstim200 = "-p period=2.5",
    stimjim = "-p period=0.1 --device-option full_scale_ua=1000" }

  --- What runs a case of the table: its words are device, plan, who and how.
  local function command_of(case, more)
    local device, plan, who, how = case:match("^(%S+) (%S+) (%S+) (%S+)$")
    return ("run %s/made.lua --device sim:%s --timing host --tolerance 1000 --beyond-guidelines test "
      .. "--approval none -p plan=%s -p who=%s -p how=%s %s --out '%s/%s' %s"):format(folder, device,
      plan, who, how, options[device], folder, case, more)
  end

  local function look(run)
    local found, lines = assert(verify.folder(run, {})), {}
    for _, each in ipairs(found.differs) do
      lines[#lines + 1] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
    end
    return found.verdict, table.concat(lines, "\n") .. table.concat(found.unchecked, "\n")
  end

  --- The run of a case, and how many pulses it has.
  local function run_of(case)
    local run = fixture.run_in(folder .. "/" .. case)
    return run, #fixture.pulse_rows(run)
  end

  --- The record of a case is whole.
  local function is_whole(case)
    local verdict, said = look((run_of(case)))
    assert.are.equal("whole", verdict, case .. ": " .. said)
  end

  -- In virtual time a script goes on until it is ended by the computer's clock: by one that is fast.
  local sooner = shim.of "hasty" or ""

  --- The records of cases whose scripts go on until they are ended are whole. They do so when they are made
  --- again as well, so all at once.
  local function are_whole(cases)
    local commands = {}
    for i, case in ipairs(cases) do
      commands[i] = ("%s %s verify '%s'"):format(sooner, shell.quote(shell.program), (run_of(case)))
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      assert.are.equal(0, result.status, cases[i] .. ": " .. result.out .. result.err)
      assert.matches("^whole +/", result.out)
    end
  end

  it("leaves a whole record in virtual time", function()
    local cases, commands = {}, {}
    for _, each in ipairs { "magventure train", "magventure trigger", "magventure pulses", "magstim200 train",
      "magstim200 trigger", "stimjim train", "stimjim together" } do
      for _, who in ipairs { "part", "script" } do
        for _, how in ipairs { "error", "exit", "stop", "finish" } do
          cases[#cases + 1] = ("%s %s %s"):format(each, who, how)
        end
      end
    end
    local endless = { "magventure train part loop", "stimjim together script memory" }
    local times = {}
    for i = 1, 200 do
      times[i] = ("%g port 7"):format(0.4 * i)
    end
    shell.write(folder .. "/triggers.tsv", table.concat(times, "\n") .. "\n")
    local function command(case, environment)
      return ("%s %s %s"):format(environment or "", shell.quote(shell.program), command_of(case,
        ("--speed max --triggers %s/triggers.tsv"):format(folder)))
    end
    local in_one = {} -- several scripts in one program are as each would be alone
    for _, case in ipairs(cases) do
      if case:find " exit$" then
        commands[#commands + 1] = command(case)
      else
        in_one[#in_one + 1] = command_of(case, ("--speed max --triggers %s/triggers.tsv"):format(folder))
      end
    end
    shell.together(folder, { table.concat(commands, "; "), command(endless[1], sooner),
      command(endless[2], sooner) })
    shell.many(folder, in_one)
    are_whole(endless)
    for _, case in ipairs(cases) do
      is_whole(case)
    end
    for _, case in ipairs(table.move(endless, 1, 2, #cases + 1, cases)) do
      local _, pulses = run_of(case)
      local all = case:find("together", 1, true) and 44 or 30
      if not case:find("trigger", 1, true) then -- which has as many as come in its time
        assert.are.equal(case:find " part finish$" ~= nil, pulses == all, ("%s: %d"):format(case, pulses))
      end
      assert.is_true(pulses > 0, case)
    end
  end)

  --- Triggers come to a run as long as it has the port.
  local function keep_triggering()
    local port = jobs:port()
    local running = true
    core.spawn(function()
      while running do
        port:write "\7"
        core.wait(0.12)
      end
    end)
    return port:path(), function() running = false end
  end

  --- The records of cases in real time, which run side by side.
  local function run_all(cases)
    local started, stops = {}, {}
    for i, case in ipairs(cases) do
      local path, stop = keep_triggering()
      stops[i] = stop
      started[i] = jobs:start("job" .. i, command_of(case, "--trigger-in " .. path))
    end
    for i, job in ipairs(started) do
      local status = job:wait()
      assert.is_true(status == 0 or status == 2 or status == 5, cases[i] .. job:err())
      stops[i]()
    end
  end

  --- A copy of a run whose table was changed, and everything fitted to that.
  local function edited(run, change)
    local copy = folder .. "/copy"
    shell.remove(copy)
    shell.copy(run, copy)
    resealed.edit(copy, nil, { ["events.tsv"] = function(text)
      local head, rows = text:match("^([^\n]*\n)(.*)$")
      local list, places = {}, {}
      for line in rows:gmatch("[^\n]+") do
        list[#list + 1] = cells_of(line)
        places[#places + 1] = list[#list][5] == "pulse" and #list or nil
      end
      change(list, places)
      for i, cells in ipairs(list) do
        list[i] = table.concat(cells, "\t")
      end
      return head .. table.concat(list, "\n") .. "\n"
    end })
    return copy
  end

  local function differs(run, expected, change)
    local verdict, said = look(edited(run, change))
    assert.are.equal("differs", verdict)
    assert.matches(expected, said)
  end

  it("leaves a whole record in real time, and a pulse more, less or elsewhere is found", function()
    local cases = { "magventure train part error", "magventure train script exit",
      "magventure trigger part stop", "magventure pulses part error", "stimjim together script finish",
      "magventure trigger script error" }
    run_all(cases)
    for _, case in ipairs(cases) do
      is_whole(case)
    end
    for _, case in ipairs { cases[1], cases[2] } do
      local run, count = run_of(case)
      assert.is_true(count > 2 and count < 30, case .. count)
      differs(run, "has no row of pulse 2,", function(list, places) -- from between
        table.remove(list, places[2])
      end)
      differs(run, "has no row of pulse 2,", function(list, places) -- which had its time before the stop
        for place = count, 2, -1 do
          table.remove(list, places[place])
        end
      end)
      differs(run, ("pulse %d is planned for .* and the run was stopped at"):format(count + 4), function(list,
        places) -- the plan's own next ones
        for more = 1, 4 do
          local cells = table.move(list[places[count]], 1, 20, 1, {})
          cells[6] = tostring(count + more)
          cells[7] = ("%.3f"):format(tonumber(cells[7]) + more * 3e5)
          table.insert(list, places[count] + more, cells)
        end
      end)
      differs(run, "pulse 3: onset_planned_us is", function(list, places)
        list[places[3]][7] = ("%.3f"):format(tonumber(list[places[3]][7]) + 1)
      end)
      differs(run, ("pulse %d: intensity is 50"):format(count), function(list, places)
        list[places[count]][13] = "50"
      end)
    end
  end)

  it("that does not yield leaves a whole record in real time", function()
    local cases = { "magventure train part loop", "magventure trigger script loop",
      "stimjim together part loop" }
    run_all(cases)
    are_whole(cases)
  end)
end)
