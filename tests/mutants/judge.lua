--- Who finds a fault: for each source the tests that are about it, the likely and quick ones first. A fault
--- that none of them finds within the bound has survived, whatever others might say.
local M = {}

--- So long all tests together may take with one fault, in seconds: of the processor for those that wait for
--- no clock, of the clock for the others.
M.bound_s = 60

---@class mutants.Test
---@field name string
---@field line string how it is run, in the copy
---@field program string? of C: what is built for it
---@field steady boolean? its outcome hangs on no clock: one failure is enough

-- of the C programs, those on a clock of their own
local virtual_programs = {}
for name in ([[dispatch_late safe play cut flight_long port_wire unconfirmed trigger_virtual shortest
  stop_virtual backstop_words taken
  ring stop events flight_foreign short_cuts]]):gmatch("%S+") do
  virtual_programs["test_" .. name] = true
end

--- A C program; in front of it what changes its length.
local function program(name, before)
  return { name = name .. (before and " " .. before or ""), program = "build/tests/" .. name,
    line = (before or "") .. " build/tests/" .. name, steady = virtual_programs[name] }
end

--- A spec by its room and name, up to its first failure. "only" and "but": those tests of it, and not those.
local function spec(name, options)
  options = options or {}
  local words = (options.only and " --filter='" .. options.only .. "'" or "")
    .. (options.but and " --filter-out='" .. options.but .. "'" or "")
  return { name = name:match("[^/]+$") .. words .. (options.env and " " .. options.env or ""),
    line = ("%s build/moonpulse lua tests/specs.lua --no-keep-going%s tests/spec/%s_spec.lua")
      :format(options.env or "", words, name), steady = options.steady }
end

local function steady(name, options)
  options = options or {}
  options.steady = true
  return spec(name, options)
end

--- So many whole runs in virtual time with everything going wrong, each judged by what must hold.
local function explore(runs)
  return { name = "explore " .. runs, steady = true,
    line = ("build/moonpulse explore --seed 1 --runs %d --first --as-it-is --jobs 1"):format(runs) }
end

local virtual = { steady "simulation/slack", explore(40), steady "run/short_cuts",
  steady "whole/virtual_random", explore(150), spec "stimulator/after_pulse" }

local function list(...)
  local all = {}
  for _, each in ipairs { ... } do
    if each.line then
      all[#all + 1] = each
    else
      table.move(each, 1, #each, #all + 1, all)
    end
  end
  return all
end

local sending = { program "test_taken", program "test_dispatch_late", program "test_safe",
  program "test_play", program "test_cut",
  program "test_flight_long", program "test_port_wire", program "test_unconfirmed",
  program "test_trigger_virtual", program "test_trigger", program "test_trigger_session",
  program "test_session", program "test_session_inside", program "test_told",
  program "test_short_cuts", program "test_no_thread", program "test_shortest",
  program("test_stop_virtual", "MP_QUICK=1"),
  program "test_dispatcher", program "test_dispatcher_stops" }
local sending_long = { program "test_stop_virtual", program("test_session_model", "MP_QUICK=1"),
  program "test_stop_realtime" }

local gate = { steady "safety/layers", steady "safety/preflight", steady "safety/together",
  steady "safety/sessions", steady "safety/gate_plans", steady "safety/safety_random",
  steady "safety/history", steady "safety/coverage", steady "commands/check", steady "safety/safety" }
local gate_long = { spec "safety/gate", steady "safety/monotony",
  steady("safety/check_worst", { env = "MP_PLANS=8" }), steady "lowering/channels", steady "safety/worst" }

local function of_driver(name, ...)
  return list(steady("devices/vectors"), list(...), steady("commands/decode"),
    steady("whole/five_lists", { env = "MP_PLANS=40", only = "on " .. name .. "," }),
    explore(40), spec("simulation/simulator_faults", { only = "over in less" }),
    steady("stimulator/settings", { only = "on " .. name .. " in virtual" }), explore(150),
    steady("conformance/conformance", { only = name }), steady "record/own_trains", steady "record/proof",
    spec "stimulator/unasked", spec "stimulator/unanswered", steady "conformance/conformance_mutant",
    steady "commands/devices_command")
end

local units = { steady "devices/magstim200", steady "devices/bistim" }

-- what a run's record says, made in virtual time; then what has a clock or a disk
local recorded = list(steady "record/event_rows", steady "record/counted", steady "record/confirmations",
  steady "record/ignored", steady "record/journal", steady "record/discarded", explore(40),
  steady "record/conditions", steady "record/given_as", steady "record/own_trains", steady "record/proof",
  steady "run/short_cuts", steady "whole/virtual_random", explore(150),
  steady("whole/five_lists", { env = "MP_PLANS=40" }), spec "record/unproven_end",
  spec "record/replaced_record", steady "experiment/virtual_experiment", spec "record/record",
  spec("record/recover", { env = "MP_QUICK=1" }), spec "stimulator/unasked",
  spec "stimulator/unanswered", spec "record/stalled_write", spec "record/full_disk", spec "record/private")

local recovery = { steady "record/replay", explore(40), spec("record/recover", { env = "MP_QUICK=1" }),
  spec "record/kept_rows",
  spec "record/recovered_live", spec "record/unread_flight", spec "record/cut_flight",
  spec "record/recover_manifest", explore(150), spec "record/record", spec "record/stalled_write",
  spec "record/unproven_end", spec "record/full_disk", spec "record/recover", spec "run/kill" }

local sealed = { spec "verify/changed", spec "verify/laundered", spec "verify/seal", spec "verify/trail",
  spec "verify/damage", spec "safety/edited" }

local function manifests()
  return list(spec "record/manifest_schema", spec "record/manifest_path", spec "record/readable_numbers",
    spec "record/folder", spec "whole/json_schemas", spec "verify/trail", spec "run/run_virtual",
    spec "run/run", spec "record/record", spec "methods/methods", spec "report/report")
end

--- By the first pattern that a path matches.
local lists = {
  { "^engine/dispatch", function() return list(sending, virtual, sending_long) end },
  { "^engine/ring", function() return list(program "test_ring", sending) end },
  { "^engine/wait", function() return list(program "test_wait", sending, program "test_latency",
    sending_long) end },
  { "^engine/near_cut", function() return list(program "test_short_cuts", virtual, sending) end },
  { "^engine/far_cut", function() return list(program "test_short_cuts", virtual, sending) end },
  { "^engine/stop%.c", function()
    return list(program "test_stop", steady "run/stops", sending, virtual, sending_long)
  end },
  { "^engine/stop_line", function()
    return list(program "test_stop_line", { name = "test_stop_line_program",
      line = "sh tests/rig/run.sh build/tests/rig build/moonpulse" }, program "test_session",
      program "test_session_inside")
  end },
  { "^engine/guard", function()
    return list(program "test_guard", program "test_arming", program "test_session",
      program "test_trigger", spec "run/kill")
  end },
  { "^engine/session", function()
    return list(program "test_session", program "test_session_inside", program "test_arming",
      program "test_port_wire",
      program "test_unconfirmed", program("test_session_model", "MP_QUICK=1"),
      sending, virtual, program "test_memory", sending_long)
  end },
  { "^bindings/backstop", function()
    return list(program "test_backstop_words", program "test_backstop", spec "record/hung_disk",
      spec "run/held_up",
      spec "run/signals", spec "run/ends_driver")
  end },
  { "^bindings/arm", function()
    return list(program "test_backstop_words", spec "run/before_arming", spec "run/stop", spec "run/signals",
      explore(40),
      steady "whole/tasks",
      program "test_memory", spec "stimulator/own_disarm", spec "run/held_up", spec "run/kill")
  end },
  { "^bindings/signals", function()
    return list(program "test_backstop_words", spec "run/signals", spec "run/stop", spec "cli/no_exit",
      program "test_memory")
  end },
  { "^bindings/stops", function() return list(steady "run/stops", spec "run/stop", spec "run/signals") end },
  { "stimulator/leaving", function()
    return list(virtual, steady("stimulator/settings", { only = "virtual" }), spec "stimulator/safe_answer",
      spec "verify/trail", spec "record/unproven_end", steady "experiment/virtual_experiment",
      spec "simulation/simulator_faults", spec "stimulator/own_disarm", spec "experiment/operations",
      spec "stimulator/lost_port", spec "run/stop")
  end },
  { "run/stop_sources", function()
    return list(steady "run/ending", steady "experiment/virtual_experiment", spec "run/stop",
      spec "run/signals", spec "run/ends")
  end },
  { "run/ending", function()
    return list(steady "run/ending", spec("driver/box_channels", { only = "is said at the end of a run" }),
      spec "record/replaced_record", steady "experiment/virtual_experiment", spec "run/run_virtual",
      spec "verify/trail", spec "run/run", spec "simulation/simulator_faults", spec "run/stop",
      spec "experiment/exit", spec "run/held_up", spec "run/ends", spec "record/full_disk",
      spec "record/unproven_end", spec "stimulator/one_reason", spec "experiment/look",
      spec "stimulator/unasked", spec "record/hung_disk")
  end },
  { "safety/upcoming", function() return list(steady "safety/upcoming", spec "commands/runs", gate) end },
  { "safety/coverage", function() return list(spec "safety/coverage", gate, gate_long) end },
  { "safety/worst", function() return list(steady "safety/cases", gate, gate_long) end },
  { "safety/check_report", function() return list(steady "commands/check", gate, gate_long) end },
  { "safety/drawn", function()
    return list(steady "safety/silences", steady "safety/cases", steady "safety/drawn_meetings",
      steady("safety/check_worst", { env = "MP_PLANS=20" }),
      steady "safety/worst", gate, gate_long)
  end },
  { "safety/orders", function() return list(steady "safety/cases", steady "safety/worst",
    steady("safety/check_worst", { env = "MP_PLANS=20" }), gate, gate_long) end },
  { "safety/given", function()
    return list(steady "safety/given_record", steady "safety/history", spec "safety/edited", explore(40),
      steady "experiment/dose",
      steady "safety/sessions", spec "record/kept_rows", gate, gate_long)
  end },
  { "safety/run_", function()
    return list(spec "safety/run_index", spec "safety/edited_said", spec "commands/runs",
      steady "safety/history", spec "safety/edited",
      steady "safety/sessions", spec "record/default_place", gate)
  end },
  { "safety/edited", function()
    return list(spec "safety/edited", spec "safety/edited_said", spec "verify/laundered",
      steady "safety/history",
      spec "verify/seal", spec "safety/run_index", spec "record/kept_rows")
  end },
  { "safety/schedule", function() return list(steady "safety/courses", gate, gate_long) end },
  { "safety/history", function()
    return list(steady "safety/history", steady "safety/sessions", explore(40), spec "safety/run_index",
      spec "safety/edited", spec "safety/gate", gate)
  end },
  { "safety/lab", function()
    return list(steady "cli/remedies", spec "safety/gate", steady "experiment/dose", gate, gate_long)
  end },
  { "safety/gate", function()
    return list(spec "safety/gate", steady "experiment/dose", gate, gate_long)
  end },
  { "safety/clock", function()
    return list(steady "safety/clock", steady "safety/history", steady "safety/sessions", spec "safety/gate",
      gate, gate_long)
  end },
  { "safety/", function()
    return list(gate, steady "experiment/dose", gate_long)
  end },
  { "stimulator/admission", function()
    return list(explore(150), steady "run/short_cuts", steady "lowering/refusal_words", spec "safety/gate",
      spec "lowering/channels",
      steady "experiment/dose", steady "experiment/virtual_experiment", steady "whole/cases_devices", virtual)
  end },
  { "run/safety", function()
    return list(spec "safety/edited_said", steady "commands/check", spec "safety/gate",
      steady "safety/sessions",
      spec "run/run_virtual", spec "run/run", spec "verify/trail", steady "experiment/dose",
      spec "experiment/by_hand")
  end },
  { "record/recover_manifest", function()
    return list(spec "record/recover_manifest", recovery)
  end },
  { "record/recover", function() return list(recovery) end },
  { "record/replay", function() return list(recovery) end },
  { "record/read", function()
    return list(steady "record/event_rows", steady "record/counted", steady "record/conditions",
      steady "report/report_rows", steady "record/confirmations", steady "report/report",
        spec "verify/content",
      steady "safety/history", spec "report/report_measured", recovery)
  end },
  { "record/file", function()
    return list(spec "record/replaced_record", spec "record/disturbed", spec "record/private",
      spec "record/full_disk", spec("record/recover", { env = "MP_QUICK=1" }), spec "record/hung_disk",
      spec "record/record")
  end },
  { "record/folder", function()
    return list(spec "record/folder", spec "record/private", spec "record/replaced_record",
      spec "record/record", spec "conformance/conformance")
  end },
  { "record/default_place%.", function()
    return list(spec "record/default_place", spec "record/private", spec "commands/runs",
      spec "record/folder")
  end },
  { "record/seal", function() return list(sealed, spec "record/folder", recovery) end },
  { "record/signature", function() return list(sealed) end },
  { "record/verify_script", function() return list(sealed) end },
  { "record/audit", function()
    return list(spec "verify/trail", steady "record/journal", sealed, spec "verify/content")
  end },
  { "record/clocks", function() return list(spec "verify/trail", spec "record/recover_manifest",
    recovery) end },
  { "record/sources", function()
    return list(steady "record/order", spec "record/folder", spec "verify/content", spec "record/private",
      spec "rerun/rerun",
      spec "verify/seal", spec "record/record")
  end },
  { "record/schema", function()
    return list(explore(40), steady "record/conditions", manifests(), recovery)
  end },
  { "record/meta", manifests }, { "record/manifest_file", manifests },
  { "record/result", manifests }, { "run/manifest", manifests },
  { "record/sidecar", function()
    return list(steady "record/conditions", spec "record/manifest_schema", spec "whole/json_schemas",
      steady "record/event_rows", spec "bids/export", spec "record/record")
  end },
  { "record/device_trains", function()
    return list(steady "record/own_trains", steady "record/proof", explore(40), steady "record/discarded",
      recorded)
  end },
  { "record/disturbed", function()
    return list(spec "record/disturbed", spec "record/cut_flight", recorded)
  end },
  { "record/journal", function()
    return list(steady "record/journal", spec "record/disturbed", explore(40), sealed, recorded)
  end },
  { "run/keeping", function()
    return list(spec "record/folder", spec "record/stalled_write", spec "record/full_disk",
      spec "record/private", spec "run/run_virtual", spec "run/run")
  end },
  { "run/sealing", function()
    return list(sealed, spec "verify/trail", spec "record/folder", spec "record/full_disk", recovery)
  end },
  { "run/begin_journal", function()
    return list(spec "verify/trail", sealed, spec "verify/content", manifests())
  end },
  { "verify/", function()
    return list(spec "verify/laundered", spec "verify/seal", spec "verify/content", spec "verify/trail",
      spec "verify/damage", spec "rerun/rerun", spec "record/folder", spec "provenance/crate")
  end },
  { "record/order", function() return list(steady "record/order", recorded) end },
  { "record/", function() return list(recorded) end },
  { "^engine/flight", function()
    return list(program "test_flight_foreign", program "test_flight", program "test_flight_long",
      program "test_dispatcher", recovery)
  end },
  { "^engine/events", function() return list(program "test_events", steady "record/event_rows",
    recorded) end },
  { "^bindings/record_file", function()
    return list(steady "record/order", steady "record/record_file", spec "record/private",
      spec "record/replaced_record",
      spec "record/full_disk", spec "record/record", program "test_memory")
  end },
  { "^bindings/rows", function()
    return list(steady "report/report_rows", steady "record/event_rows", steady "report/report",
      spec "verify/content", spec("record/recover", { env = "MP_QUICK=1" }), program "test_memory")
  end },
  { "^bindings/flight", function()
    return list(spec "stimulator/flight_table", spec "record/cut_flight", recovery, program "test_memory")
  end },
  { "^bindings/events", function()
    return list(steady "record/event_rows", steady "record/conditions", recorded, program "test_memory")
  end },
  { "devices/magventure", function()
    return of_driver("magventure", steady "devices/magventure_driver", steady "simulators/magventure",
      steady "simulators/magventure_wire", spec "devices/magventure_train",
      spec "devices/magventure_train_run")
  end },
  { "devices/magstim/", function() return of_driver("magstim200", units, steady "devices/rapid",
    steady "simulators/rapid_simulator") end },
  { "devices/magstim200", function() return of_driver("magstim200", units) end },
  { "devices/bistim", function() return of_driver("bistim", units) end },
  { "devices/rapid", function() return of_driver("rapid", steady "devices/rapid",
    steady "simulators/rapid_simulator") end },
  { "devices/duomag", function() return of_driver("duomag", steady "devices/duomag") end },
  { "devices/pulsepal", function()
    return of_driver("pulsepal", steady "devices/pulsepal_driver", steady "simulators/pulsepal",
      spec "driver/box_channels")
  end },
  { "devices/stimjim", function()
    return of_driver("stimjim", steady "devices/stimjim", spec "driver/box_channels",
      spec "devices/stimjim_run")
  end },
  { "devices/trigger_box", function()
    return of_driver("trigger", spec "driver/trigger", spec "driver/box_channels")
  end },
}

--- The tests for a source, in the order in which they are asked; none twice.
---@param path string
---@param only_steady boolean? those that wait for no clock
---@return mutants.Test[]
function M.tests(path, only_steady)
  for _, each in ipairs(lists) do
    if path:find(each[1]) then
      local tests, known = {}, {}
      for _, test in ipairs(each[2]()) do
        if not known[test.name] and (test.steady or not only_steady) then
          known[test.name] = true
          tests[#tests + 1] = test
        end
      end
      return tests
    end
  end
  error("no test is known for " .. path)
end

--- How long a test may take with a fault in it, by what it takes without: beyond that it hangs.
---@param usual_s number
---@return number
function M.patience(usual_s)
  return 4 * usual_s + 5
end

return M
