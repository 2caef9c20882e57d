--- moonpulse export: runs in the formats of others.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local crates = require "moonpulse.provenance.crate"
local disk = require "moonpulse.bids.disk"
local edited = require "moonpulse.safety.edited"
local escapes = require "moonpulse.text.escapes"
local exports = require "moonpulse.bids.export"
local facts_of = require "moonpulse.provenance.facts"
local json = require "moonpulse.text.sorted_json"
local lfs = require "lfs"
local meta_files = require "moonpulse.bids.meta"
local numbers = require "moonpulse.text.numbers"
local records = require "moonpulse.cli.records_option"
local runs = require "moonpulse.bids.run"
local statements = require "moonpulse.provenance.statement"

local M = {}

local most_noted = 20 -- files that are left out

function M.parser()
  local parser = cli.parser("export",
    "Runs in the formats of others. bids: into a BIDS dataset, with nibs/ as the draft of BEP037 (NIBS-BIDS)"
      .. " says, the timeline pulse by pulse as beh/ events that every BIDS tool reads, participants, scans, "
      .. "thresholds (phenotype/), the plan (stimuli/), the run's own files, byte for byte (sourcedata/). "
      .. "A dataset that is there gets more rows and files; nothing is written over. What Moonpulse cannot "
      .. "know (authors, coil, criterion) comes from --meta, or is n/a. crate: a copy of the run's folder as "
      .. "an RO-Crate. prov: an in-toto statement of what came out, of what, by what (docs/bids.md).",
    "moonpulse export bids runs/2026-11-27T101500_itbs600 --bids study --sub 01 --ses 1\n"
      .. "moonpulse export crate runs/2026-11-27T101500_itbs600 -o itbs.crate\n"
      .. "moonpulse export prov runs/2026-11-27T101500_itbs600 -o itbs.intoto.json")
  parser:argument("what", "The format: bids, crate or prov."):choices({ "bids", "crate", "prov" })
    :argname("FORMAT")
  parser:argument("runs", "A run: " .. records.named .. "; bids: several, of one participant."):args("+")
    :argname("RUN")
  parser:option("--bids", "bids: the dataset, a new folder, or one that is a BIDS dataset."):argname("DIR")
  parser:option("--sub", "bids: the participant's label in the dataset, such as 01. Nothing else of the "
    .. "participant is written but under sourcedata/."):argname("LABEL")
  parser:option("--ses", "bids: the session's label, where the dataset has sessions."):argname("LABEL")
  parser:option("--task", "bids: what the participant did meanwhile, such as rest; default: "
    .. "stimulation, which says nothing of it."):argname("LABEL")
  parser:option("--acq", "bids: what tells this stimulation from others; default: the protocol's id.")
    :argname("LABEL")
  parser:option("--meta", "bids: a JSON file with what Moonpulse cannot know."):argname("FILE")
  parser:flag("--draft-scans", "bids: list nibs/ in scans.tsv too, as the draft wants. Today's validators "
    .. "then report an error.")
  parser:flag("--no-sourcedata", "bids: leave out the run's own files, which name the lab's code of the "
    .. "participant.")
  parser:option("-o --output", "crate: the new folder; default: the run's name and .crate. prov: the file; "
    .. "default: the run's name and .intoto.json; - is standard output."):argname("PATH")
  parser:option("--license", "crate: who may use it, as a URI or in words."):default("not stated")
    :argname("TEXT")
  parser:flag("--json", "What was written, as one JSON object (docs/schemas).")
  return parser
end

--- json: --json tells it.
local function say(json_asked, text, ...)
  if not json_asked then
    print(escapes.shown(text:format(...), true))
  end
end

local function meta_of(options)
  if not options.meta then
    return {}
  end
  local meta, message = meta_files.read(options.meta)
  return meta or cli.fail("usage", "%s", message)
end

--- Several runs of one command are one person's.
local function read_runs(options)
  local list, participant = {}, nil
  for i, folder in ipairs(options.runs) do
    local run, message = runs.read(folder)
    if not run then
      cli.fail("usage", "%s", message)
    end
    local this = run.manifest.participant
    if i > 1 and this ~= participant then
      cli.fail("usage", "%s is not of the participant of %s: one --sub for each participant", folder,
        options.runs[1])
    end
    list[i], participant = run, this
  end
  return list
end

local function note(run, text, ...)
  io.stderr:write(escapes.shown(("moonpulse: note: %s: %s\n"):format(run.folder, text:format(...)), true))
end

--- What is written says it, too.
---@param run { folder: string, edited: string? }
local function note_edited(run)
  if run.edited then
    note(run, "%s", edited.sentence(run.edited))
  end
end

--- What is no file of its own cannot be copied or hashed: whoever sent the folder put it there.
---@param run { folder: string, left_out: string[] }
local function note_left_out(run)
  for i, what in ipairs(run.left_out) do
    if i > most_noted then
      return note(run, "%d more of the kind are left out", #run.left_out - most_noted)
    end
    note(run, "left out: %s in the place of a file", what)
  end
end

local function tell(run, made, folder, options)
  local json_asked = options.json
  local all = made.patterns + made.singles
  say(json_asked, "%s: %s, %s %s%s: %s/%s/nibs/%s_nibs.tsv", run.folder, numbers.counted(made.rows, "row"),
    numbers.count(all), all == 1 and "delivery" or "deliveries", made.patterns > 0 and made.singles > 0
      and (", %s of them pulse by pulse"):format(numbers.count(made.singles)) or "",
    folder, made.folder, made.stem)
  note_edited(run)
  if not options.no_sourcedata then
    note_left_out(run)
  end
  if run.manifest.device and run.manifest.device.simulated then
    io.stderr:write(("moonpulse: note: %s was simulated: nobody was stimulated, and the dataset says so\n")
      :format(escapes.shown(run.name)))
  end
end

--- Put the runs into the dataset. What others put there meanwhile would be lost: nobody may.
local function put_runs(folder, list, group, options, meta)
  local is_new = not lfs.symlinkattributes(folder, "mode")
  local lock <close>, message = disk.lock(folder, group)
  if not lock then
    cli.fail("usage", "%s", message)
  end
  local dataset, why = disk.open(folder)
  if not dataset then
    cli.fail("usage", "%s", why)
  end
  local made = {}
  local added, problem = pcall(function()
    for i, run in ipairs(list) do
      made[i] = exports.add(dataset, run, options, meta)
    end
  end)
  if not added then
    lfs.rmdir(is_new and folder or "") -- empty: nothing was written
    error(problem, 0)
  end
  local ok, problem_of = disk.write(folder, dataset, group)
  if not ok then
    cli.fail("fault", "%s", problem_of)
  end
  return made, dataset
end

local formats = {}

function formats.bids(options)
  for _, name in ipairs { "bids", "sub" } do
    if not options[name] then
      cli.fail("usage", "export bids: --%s is missing (see moonpulse export --help)", name)
    end
  end
  local folder = options.bids:gsub("(.)/+$", "%1")
  local meta, list = meta_of(options), read_runs(options)
  local group = true
  for _, run in ipairs(list) do
    group = group and disk.is_shared(run.folder)
  end
  local made, dataset = put_runs(folder, list, group, options, meta)
  local data = json.list {}
  for i, run in ipairs(list) do
    tell(run, made[i], folder, options)
    data[i] = { run = run.folder, rows = made[i].rows, deliveries = made[i].patterns + made[i].singles,
      file = ("%s/nibs/%s_nibs.tsv"):format(made[i].folder, made[i].stem) }
  end
  if not (meta.Authors and meta.Name) and dataset.files["dataset_description.json"] then
    say(options.json, "dataset_description.json has no %s yet: fill in what is missing, or give it with "
      .. "--meta",
      not meta.Name and not meta.Authors and "name and no authors" or meta.Name and "authors" or "name")
  end
  say(options.json, "check it: moonpulse check-bids %s", folder)
  if options.json then
    as_json.tell { what = "moonpulse export", format = "bids", output = folder, runs = data }
  end
end

--- The one run that a record of provenance is of.
local function one_run(options)
  if #options.runs > 1 then
    cli.fail("usage", "export %s: one run at a time, not %d", options.what, #options.runs)
  end
  local facts, message = facts_of.read(options.runs[1])
  if not facts then
    cli.fail("usage", "%s", message)
  end
  note_edited(facts)
  note_left_out(facts)
  return facts
end

local function put(path, content, group)
  local ok, message = disk.put(path, content, group)
  if not ok then
    cli.fail("fault", "cannot write %s: %s", path, message)
  end
end

function formats.crate(options)
  local facts = one_run(options)
  local folder = (options.output or facts.name .. ".crate"):gsub("(.)/+$", "%1")
  if #disk.names(folder) > 0 then
    cli.fail("usage", "%s has files: name a new folder with -o, nothing is written over", folder)
  end
  local group = disk.is_shared(facts.folder)
  for _, file in ipairs(facts.files) do
    put(("%s/%s/%s"):format(folder, facts.name, file.name), { copy = facts.folder .. "/" .. file.name },
      group)
  end
  put(folder .. "/" .. crates.name, crates.text(facts, options.license), group)
  say(options.json, "%s: %s and %s", folder, numbers.counted(#facts.files, "file"), crates.name)
  if options.json then
    as_json.tell { what = "moonpulse export", format = "crate", output = folder, files = #facts.files }
  end
end

function formats.prov(options)
  local facts = one_run(options)
  local text = statements.text(facts)
  if options.output == "-" and options.json then
    cli.fail("usage", "-o - prints the statement, and --json what was written: name a file")
  elseif options.output == "-" then
    io.stdout:write(text)
    return
  end
  local path = options.output or facts.name .. ".intoto.json"
  put(path, text)
  say(options.json, "%s: %s, by their SHA-256", path, numbers.counted(#facts.files, "file"))
  if options.json then
    as_json.tell { what = "moonpulse export", format = "prov", output = path, files = #facts.files }
  end
end

function M.run(options)
  options.runs = records.find_all(options.runs)
  return formats[options.what](options)
end

return M
