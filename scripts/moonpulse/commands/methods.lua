--- moonpulse methods: sentences for the paper, and reporting checklists, of a protocol or of a run.
local apparatus = require "moonpulse.methods.apparatus"
local checklists = require "moonpulse.methods.checklist"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local compiled = require "moonpulse.safety.compiled"
local core = require "moonpulse.core"
local courses = require "moonpulse.run.course"
local devices = require "moonpulse.cli.device_argument"
local drawn_orders = require "moonpulse.protocol.drawn_orders"
local escapes = require "moonpulse.text.escapes"
local doses = require "moonpulse.methods.doses"
local experiments = require "moonpulse.experiment"
local facts_of = require "moonpulse.methods.facts"
local intensities = require "moonpulse.compose.intensity"
local json = require "moonpulse.text.sorted_json"
local known_fields = require "moonpulse.methods.known"
local lfs = require "lfs"
local lower = require "moonpulse.lowering"
local manifests = require "moonpulse.run.manifest"
local metas = require "moonpulse.record.meta"
local paragraphs = require "moonpulse.methods.paragraph"
local records = require "moonpulse.cli.records_option"
local runs = require "moonpulse.methods.of_run"
local shams = require "moonpulse.protocol.sham"
local sheets = require "moonpulse.methods.sheet"
local show = require "moonpulse.show.methods"
local studies = require "moonpulse.methods.study"

local M = {}

local WIDTH = 96

function M.parser()
  local parser = cli.parser("methods",
    "Write the methods section: intensities, true intervals, thresholds, coil, waveform, counts, stimulator, "
      .. "software and the plan's SHA-256. Of a run's folder it tells what was delivered, and how that "
      .. "differs from the plan; of several folders what is the same in all runs, what differs, and the "
      .. "sums; of a protocol what is planned; of an experiment's file one possible course. "
      .. "What is not known stands there as [coil: state model and size]. --checklist gives a reporting "
      .. "checklist as a sheet instead: each item filled, asked for, or cannot be known here.",
    "moonpulse methods itbs600 --amt 50\nmoonpulse methods runs/2026-11-22T101500_itbs600 --meta "
      .. "lab.json\nmoonpulse methods runs/2026-11-22T101500_itbs600 --checklist chipchase --format html > "
      .. "sheet.html")
  common.add_protocol(parser, { name = "RUN|FILE|ID", text = "A run (" .. records.named .. "), a protocol's "
    .. "id or the path of its file (FILE:ID is a variant in it), a plan file, an experiment." })
  parser:argument("more", "Further runs of the study: one section is written of all of them."):args("*")
    :argname("RUN")
  parser:option("--device", "Of a protocol: which stimulator, and what it will be set to.")
    :argname("NAME")
  parser:option("--device-option", "A setting of the driver, as for run."):argname("KEY=VALUE"):count("*")
  courses.add(parser)
  parser:option("--coil", "The coil: model and size."):argname("NAME")
  parser:option("--meta", "What else the section needs and the record does not have, as for run: one JSON "
    .. "object, such as {\"coil_orientation\": \"45 degrees\"} (docs/manifest.md has the keys).")
    :argname("FILE.json")
  parser:option("--checklist", "A checklist instead: " .. table.concat(checklists.names, ", ") .. ".")
    :choices(checklists.names):argname("NAME")
  parser:option("--format", "How a checklist is written: tsv, md or html.")
    :choices(sheets.formats):argname("FORMAT")
  parser:flag("--json", "One JSON object (docs/schemas).")
  return parser
end

--- What --coil and --meta say; where both say one thing, --coil counts.
local function meta_of(options)
  local meta = {}
  if options.meta then
    local read, message = metas.read(options.meta)
    meta = read or cli.fail("usage", "--meta: %s", message)
  end
  meta.coil = options.coil or meta.coil
  return meta
end

--- Options of a protocol that a run's folder has settled.
local function check_of_run(options)
  for _, name in ipairs { "rmt", "amt", "seed", "device", "answers", "triggers" } do
    if options[name] ~= nil then
      cli.fail("usage", "--%s is for a protocol: %s is a run's folder, which has its own", name,
        options.protocol)
    end
  end
  if #(options.param or {}) > 0 or #(options.device_option or {}) > 0 then
    cli.fail("usage", "-p and --device-option are for a protocol: %s is a run's folder, which has its own",
      options.protocol)
  end
end

--- An action in %MSO, as the device will be set or as it is written; nil: its threshold is not given.
local function mso_of(plan, options, driver)
  return function(action)
    if action.reference ~= "MSO" and not options[action.reference:lower()] then
      return nil
    elseif not driver then
      local mso, message = intensities.resolve({ value = action.intensity, reference = action.reference },
        options)
      return mso or cli.fail("limit", "%s", message)
    end
    local ok, problem = pcall(lower.settle, { action }, { plan = plan, driver = driver,
      thresholds = options })
    if not ok then
      cli.fail(type(problem) == "table" and problem.code or "fault", "%s",
        type(problem) == "table" and problem.message or tostring(problem))
    end
    return action.mso
  end
end

local function dose_of(mso, nerve)
  return function(view, channel)
    if doses.is_of_nerve(channel, view.reference, nerve) then
      return doses.of_nerve(view.intensity)
    end
    local text = ("%g %%%s"):format(view.intensity, view.reference)
    local value = mso { intensity = view.intensity, reference = view.reference, channel = view.channel
      or "1" }
    return value and (view.reference ~= "MSO" or value ~= view.intensity)
      and ("%s (%g %%MSO)"):format(text, value)
      or text
  end
end

--- The sessions that a protocol or its course plans, in words.
local function schedule_of(protocol)
  if not protocol.course then
    return protocol.sessions and "The sessions: " .. show.schedule(protocol.sessions) or nil
  end
  local phases = {}
  for i, phase in ipairs(protocol.course.phases) do
    phases[i] = ("phase %d: %s"):format(i, show.phase(phase))
  end
  return ("The sessions follow the course %s: %s"):format(protocol.course.name, table.concat(phases, "; "))
end

local function of_protocol(options, meta)
  local protocol, values = common.find(options)
  if experiments.is(protocol) then
    local course, status = courses.of(options)
    if not course then
      return nil, status
    end
    local facts = runs.rows("course", course.manifest, course.rows, meta)
    facts_of.add_declared(facts, protocol)
    return facts
  end
  local made, plan, drawn, begins = shams.made_in(common.build, options, protocol, values)
  local driver = options.device and devices.described(options)
  local facts = facts_of.new("plan", protocol, core.version)
  facts.kind, facts.schedule = "protocol", schedule_of(protocol)
  facts.software.commit = core.commit ~= "" and core.commit or nil
  local seed = options.seed or 1
  facts.nerve = facts_of.nerve(protocol.nerve, driver and driver.limits {})
  local mso = mso_of(plan, options, driver)
  facts_of.add_plan(facts, plan, common.measure(plan, seed), { seed = seed, order = drawn,
    orders = drawn and not begins and drawn_orders.of(plan, protocol, values, seed) or nil, mso = mso,
    dose = dose_of(mso, facts.nerve) })
  local open = show.open_counts(protocol)
  facts.pulses.unknown = open and table.concat(open, ", ") or nil
  if driver and apparatus.is_box(driver.name) then
    facts.box = { words = driver.description, by_hand = driver.setting_proof == "none" }
  elseif driver then
    known_fields.take(facts.known, "stimulator", driver.description, "protocol")
  end
  known_fields.take_all(facts.known, meta, "operator")
  facts_of.add_sham(facts, protocol.id == "sham" and values.of or nil)
  facts_of.add_shams(facts, made, plan:totals().pulses)
  facts_of.add_declared(facts, protocol)
  facts_of.add_thresholds(facts, options, meta)
  facts.software.seed = (drawn or facts.drawn) and seed or protocol.seed
  facts.software.parameters = protocol.plan_file and protocol.plan_file.parameters
    or manifests.text_values(values)
  local ok, text = pcall(compiled.text, protocol, plan, values, seed, drawn)
  facts.software.plan_sha256 = protocol.plan_file and protocol.plan_file.sha256
    or ok and text:match("sha256 (%x+)\n$") or nil
  return facts
end

local function counted_kinds(found)
  local list = json.list {}
  for i, kind in ipairs(found and found.kinds or {}) do
    list[i] = { pulses = kind.pulses, count = kind.count, channels = kind.channels, span_s = kind.span,
      shortest_s = kind.shortest, longest_s = kind.longest, doses = kind.doses }
  end
  return list
end

--- As one JSON object.
local function json_of(facts, sentences)
  local function stimuli(found)
    return found and { kinds = counted_kinds(found), count = found.count, shortest_s = found.shortest,
      longest_s = found.longest, mean_s = found.mean } or nil
  end
  local list = json.list
  return { what = "moonpulse methods", of = facts.of, kind = facts.kind, name = facts.name, id = facts.id,
    sentences = list(sentences), placeholders = list(paragraphs.placeholders(sentences)),
    pulses = facts.pulses, conditions = list(facts.conditions), durations = facts.durations,
    planned = stimuli(facts.planned), delivered = stimuli(facts.delivered), drawn = facts.drawn,
    thresholds = list(facts.thresholds), known = next(facts.known) and facts.known or nil,
    deviations = list(facts.deviations), software = facts.software,
    simulated = facts.device and facts.device.simulated }
end

local function about(facts, options)
  if facts.of == "run" then
    return ("Run %s of %s: what was delivered."):format(options.protocol:match("([^/]+)/*$"), facts.name)
  end
  return (facts.of == "course" and "One possible course of %s: nothing was given."
    or "%s, as planned: nothing was given."):format(facts.name)
end

local function facts_for(options)
  local meta = meta_of(options)
  local is_folder
  options.protocol, is_folder = records.or_plan(options.protocol)
  local path = options.protocol
  if not lfs.attributes(path, "mode") and path:find("/", 1, true) and not path:find("%.lua") then
    cli.fail("usage", "there is no %s: give a run's folder, or the path of a protocol or a plan", path)
  elseif not is_folder then
    return of_protocol(options, meta)
  end
  check_of_run(options)
  local facts, message = runs.folder((options.protocol:gsub("(.)/+$", "%1")), meta)
  return facts or cli.fail("usage", "%s", message)
end

--- The section as text, and how much of it is still to be filled.
local function write(sentences)
  print(escapes.shown(paragraphs.text(sentences, WIDTH), true))
  local open = paragraphs.placeholders(sentences)
  if #open > 0 then
    io.stderr:write(("moonpulse: note: %d placeholders are left: --coil, --meta FILE.json and the protocol "
      .. "fill them (docs/methods.md)\n"):format(#open))
  end
end

--- Of several runs.
local function write_study(options)
  if options.checklist then
    cli.fail("usage", "--checklist is of one run: give one folder")
  end
  check_of_run(options)
  local meta, all, names, seen = meta_of(options), {}, {}, {}
  for i, name in ipairs { options.protocol, table.unpack(options.more) } do
    local folder = records.find(name):gsub("(.)/+$", "%1")
    local facts, message
    if lfs.attributes(folder, "mode") ~= "directory" then
      cli.fail("usage", "%s is no run's folder: of several only runs are told together", name)
    elseif seen[folder] then
      cli.fail("usage", "%s is there twice", name)
    end
    facts, message = runs.folder(folder, meta)
    all[i], names[i], seen[folder] = facts or cli.fail("usage", "%s", message), folder:match("[^/]+$"), true
  end
  local sentences = studies.sentences(all, names)
  if options.json then
    local list = json.list {}
    for i, facts in ipairs(all) do
      list[i] = { run = names[i], kind = facts.kind, name = facts.name, id = facts.id,
        participant = type(facts.participant) == "string" and facts.participant or nil,
        started = type(facts.started) == "string" and facts.started or nil, pulses = facts.pulses,
        thresholds = json.list(facts.thresholds), deviations = json.list(facts.deviations),
        simulated = facts.device and facts.device.simulated }
    end
    print(json.encode { what = "moonpulse methods", of = "runs", runs = list,
      sentences = json.list(sentences), placeholders = json.list(paragraphs.placeholders(sentences)) })
    return
  end
  write(sentences)
end

function M.run(options)
  if #options.more > 0 then
    return write_study(options)
  elseif options.format and not options.checklist then
    cli.fail("usage", "--format is for --checklist: add --checklist %s", checklists.names[1])
  elseif options.format and options.json then
    cli.fail("usage", "--format %s and --json exclude each other", options.format)
  end
  local facts, status = facts_for(options)
  if not facts then
    return status
  end
  if options.checklist then
    local list = checklists.of(options.checklist, facts)
    print(options.json and json.encode(list) or sheets.text(list, options.format or "tsv", about(facts,
      options)))
    return
  end
  local sentences = paragraphs.sentences(facts)
  if options.json then
    print(json.encode(json_of(facts, sentences)))
    return
  end
  write(sentences)
end

return M
