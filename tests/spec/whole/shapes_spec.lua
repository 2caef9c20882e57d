-- types.lua against what really travels: runs are made in this process, and every table that goes from room
-- to room is compared with its class: each field is declared and of its type, and none is missing.
local annotations = require "annotations"
local begin = require "moonpulse.run.begin"
local core = require "moonpulse.core"
local devices = require "moonpulse.driver.find"
local ending = require "moonpulse.run.ending"
local heard = require "moonpulse.stimulator.outcome"
local mp = require "moonpulse"
local outcomes = require "moonpulse.record.outcome"
local rooms = require "rooms"
local admission = require "moonpulse.stimulator.admission"
local run_command = require "moonpulse.commands.run"
local run_verbs = require "moonpulse.experiment.run_verbs"
local shell = require "shell"

local texts = rooms.read("scripts/moonpulse", "%.lua$")

local function known_of(changed)
  local classes = {}
  for _, text in pairs(texts) do
    annotations.classes(changed and changed(text) or text, classes)
  end
  return { classes = classes, problems = {}, seen = {} }
end

describe("a class of annotations", function()
  it("is described in one place", function()
    local places, twice = {}, {}
    for path, text in pairs(texts) do
      for name in text:gmatch("%-%-%-@class ([%w_.]+)") do
        if places[name] then
          twice[#twice + 1] = ("%s: %s and %s"):format(name, places[name], path)
        end
        places[name] = path
      end
    end
    table.sort(twice)
    assert.are.same({}, twice)
  end)
end)

describe("types.lua", function()
  local folder, undo, met

  --- Look at what goes through a function of a module: look(results or arguments).
  local function watch(module, name, look)
    local original = module[name]
    undo[#undo + 1] = function() module[name] = original end
    module[name] = function(...)
      look(...)
      return original(...)
    end
  end

  --- Keep a value, the first of its kind.
  local function keep(class, value)
    met[class] = met[class] or {}
    table.insert(met[class], value)
  end

  setup(function()
    folder, undo, met = shell.folder(), {}, {}
    local globals = package.loaded._G -- a spec has globals of its own
    local print_to = globals.print
    undo[#undo + 1] = function() globals.print = print_to end
    globals.print = function() end
    watch(ending, "conclude", function(context, outcome)
      keep("moonpulse.Context", context)
      keep("moonpulse.Ended", outcome)
    end)
    watch(begin, "connected", function(_, identity) keep("moonpulse.Identity", identity) end)
    watch(outcomes, "enter", function(record, out, facts)
      keep("moonpulse.Outcome", out)
      keep("moonpulse.OutcomeFacts", facts)
      for _, row in pairs(record.queue) do
        keep("moonpulse.Row", row)
      end
    end)
    watch(heard, "hear", function(_, out)
      if not out.send then
        keep(out.what == "stopped" and "moonpulse.core.Stopped" or "moonpulse.core.Other", out)
      end
    end)
    watch(run_verbs, "new", function(stage) keep("moonpulse.Stage", stage) end)
    watch(admission, "is_admitted", function(admitted)
      keep("moonpulse.Admitted", admitted)
      for _, frame in ipairs(admitted.lowering:frames()) do
        keep("moonpulse.Frame", frame)
      end
    end)
    local script = folder .. "/made.lua"
    shell.write(script, [[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse { intensity = mp.mso(40) })
        stim:play(mp.mark "block" .. mp.train { pulses = 3, hz = 20, intensity = mp.mso(50) })
        run:stop("enough")
        stim:arm()
      end)
    ]])
    local function run(text)
      local arguments = {}
      for each in text:gmatch("%S+") do
        arguments[#arguments + 1] = each
      end
      arguments[#arguments + 1], arguments[#arguments + 2] = "--out", folder .. "/runs"
      local options = run_command.parser():parse(arguments)
      pcall(run_command.run, options)
      core.phase "none"
      core.on_signal(nil)
    end
    run("itbs600 --amt 50 --speed max")
    run("sici --rmt 50 --speed max --device sim:bistim")
    run(script .. " --tolerance 500 --seed 7")
  end)

  teardown(function()
    for _, back in ipairs(undo) do
      back()
    end
    shell.remove(folder)
  end)

  local function problems_of(known)
    local classes = {}
    for class in pairs(met) do
      classes[#classes + 1] = class
    end
    table.sort(classes) -- what is reached twice is compared once
    for _, class in ipairs(classes) do
      for _, value in ipairs(met[class]) do
        annotations.fields(value, class, class:match("[^.]+$"), known)
      end
    end
    local once, list = {}, {}
    for _, problem in ipairs(known.problems) do
      list[#list + 1] = not once[problem] and problem or nil
      once[problem] = true
    end
    table.sort(list)
    return list
  end

  it("declares what travels in a protocol's run, and in an experiment's", function()
    for _, class in ipairs { "Context", "Ended", "Identity", "Outcome", "OutcomeFacts", "Row", "Stage",
      "Admitted", "Frame", "core.Stopped", "core.Other" } do
      assert(met["moonpulse." .. class], "no " .. class .. " was met")
    end
    assert.are.equal(3, #met["moonpulse.Context"])
    assert.are.same({}, problems_of(known_of()))
  end)

  it("declares the tables that moonpulse.core makes", function()
    local known = known_of()
    local function compare(value, class)
      annotations.fields(value, "moonpulse.core." .. class, class, known)
    end
    local plan = mp.mark "m" .. mp.rest { min = 1, max = 2 }
      .. mp.train { pulses = 2, hz = 2, intensity = mp.mso(50) } * 2
      .. mp.together { mp.pulse { intensity = mp.rmt(90) }:at "left", mp.rest(1) }
    local kinds = {}
    local function look(part)
      local view = part:view()
      kinds[view.kind] = true
      compare(view, "View")
      compare(part:totals(), "Totals")
      for i = 1, view.children do
        look(part:child(i))
      end
    end
    look(plan)
    assert.are.same({ pulse = true, rest = true, mark = true, sequence = true, ["repeat"] = true,
      parallel = true, channel = true }, kinds)
    for _, reason in ipairs(core.stops) do
      local row = {}
      for field in pairs(known.classes["moonpulse.core.StopReason"].fields) do
        row[field] = reason[field]
      end
      compare(row, "StopReason")
    end
    for _, field in ipairs(core.serial_fields) do
      compare(field, "SerialField")
    end
    for _, port in ipairs(core.ports() or {}) do
      compare(port, "Port")
    end
    compare(assert(core.realtime_probe()), "Grants")
    local test <close> = assert(core.latency_test(0.01, 0.001))
    compare(test:result(), "LatencyResult")
    assert.are.same({ "cpus", "kernel", "machine", "pid" }, (function()
      local names = {}
      for name in pairs(core.host()) do
        names[#names + 1] = name
      end
      table.sort(names)
      return names
    end)())
    local records = 0
    for _, name in ipairs(shell.names(folder .. "/runs")) do
      local reader <close> = core.flight_read(("%s/runs/%s/flight.bin"):format(folder, name))
      for record in reader and reader.next or function() end, reader do
        compare(record, "FlightRecord")
        records = records + 1
      end
      if reader then
        compare(reader:losses(), "FlightLosses")
      end
    end
    assert(records > 10)
    local lowering = core.lowering(mp.pulse { intensity = mp.mso(50) } * 2, 1,
      devices.find("magventure").serial, 0)
    lowering:pulse(1, "fire", 1)
    compare(select(2, lowering:check(10)), "Violation")
    assert.are.same({}, known.problems)
  end)

  it("declares the shipped drivers and their simulators", function()
    local known = known_of()
    for _, name in ipairs(devices.names) do
      local driver = devices.configure(assert(devices.find(name)))
      local all = setmetatable({}, { __index = driver })
      for _, from in ipairs { assert(devices.find(name)), driver } do
        for field in pairs(from) do
          all[field] = driver[field]
        end
      end
      annotations.fields(all, "moonpulse.Driver", name, known)
      annotations.fields(driver.limits(), "moonpulse.Limits", name .. ".limits()", known)
      local model = assert(devices.simulator(driver))
      annotations.fields(model, "moonpulse.SimulatorModel", name .. "'s model", known)
      annotations.fields(model.new {}, "moonpulse.Simulator", name .. "'s simulator", known)
    end
    assert.are.same({}, known.problems)
  end)

  it("is found out where a field is not declared, or is and is not there", function()
    local found = problems_of(known_of(function(text)
      return (text:gsub("%-%-%-@field stop_line [^\n]*\n", "")
        :gsub("%-%-%-@field simulated boolean\n", "---@field simulated boolean\n---@field gone integer\n"))
    end))
    assert.are.same({ "Context.device.gone is missing: moonpulse.DeviceFacts",
      "Context.job.stop_line is not declared: moonpulse.Job" }, found)
  end)
end)
