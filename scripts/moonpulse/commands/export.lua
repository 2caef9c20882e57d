--- moonpulse export: runs in the formats of others.
local cli = require "moonpulse.cli"
local disk = require "moonpulse.bids.disk"
local escapes = require "moonpulse.text.escapes"
local exports = require "moonpulse.bids.export"
local meta_files = require "moonpulse.bids.meta"
local numbers = require "moonpulse.text.numbers"
local runs = require "moonpulse.bids.run"

local M = {}

function M.parser()
  local parser = cli.parser("export",
    "Put runs into a BIDS dataset: nibs/ as the draft of BEP037 (NIBS-BIDS) says, the timeline pulse by "
      .. "pulse "
      .. "as beh/ events that every BIDS tool reads, participants, scans, thresholds (phenotype/), the plan "
      .. "(stimuli/), and the run's own files, byte for byte (sourcedata/). A dataset that is there gets "
        .. "more "
      .. "rows and files; nothing is written over. What Moonpulse cannot know (authors, coil, criterion) "
        .. "comes "
      .. "from --meta, or is n/a (docs/bids.md).",
    "moonpulse export bids runs/2026-11-27T101500_itbs600 --bids study --sub 01 --ses 1\n"
      .. "moonpulse check-bids study")
  parser:argument("what", "The format."):choices({ "bids" }):argname("FORMAT")
  parser:argument("runs", "The folders of runs of one participant."):args("+"):argname("RUN")
  parser:option("--bids", "The dataset: a new folder, or one that is a BIDS dataset."):argname("DIR")
  parser:option("--sub", "The participant's label in the dataset, such as 01. Nothing else of the "
    .. "participant is written but under sourcedata/."):argname("LABEL")
  parser:option("--ses", "The session's label, where the dataset has sessions."):argname("LABEL")
  parser:option("--task", "What the participant did meanwhile."):default("rest"):argname("LABEL")
  parser:option("--acq", "What tells this stimulation from others; default: the protocol's "
    .. "id."):argname("LABEL")
  parser:option("--meta", "A JSON file with what Moonpulse cannot know."):argname("FILE")
  parser:flag("--draft-scans", "List nibs/ in scans.tsv too, as the draft wants. Today's validators then "
    .. "report "
    .. "an error.")
  parser:flag("--no-sourcedata", "Leave out the run's own files, which name the lab's code of the "
    .. "participant.")
  return parser
end

local function say(text, ...)
  print(escapes.shown(text:format(...), true))
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

function M.run(options)
  for _, name in ipairs { "bids", "sub" } do
    if not options[name] then
      cli.fail("usage", "export bids: --%s is missing (see moonpulse export --help)", name)
    end
  end
  local folder = options.bids:gsub("(.)/+$", "%1")
  local meta, list = meta_of(options), read_runs(options)
  local dataset, message = disk.open(folder)
  if not dataset then
    cli.fail("usage", "%s", message)
  end
  local made = {}
  for i, run in ipairs(list) do
    made[i] = exports.add(dataset, run, options, meta)
  end
  local ok
  ok, message = disk.write(folder, dataset)
  if not ok then
    cli.fail("fault", "%s", message)
  end
  for i, run in ipairs(list) do
    local each = made[i]
    local all = each.patterns + each.singles
    say("%s: %s, %s %s%s: %s/%s/nibs/%s_nibs.tsv", run.folder, numbers.counted(each.rows, "row"),
      numbers.count(all), all == 1 and "delivery" or "deliveries", each.patterns > 0 and each.singles > 0
        and (", %s of them pulse by pulse"):format(numbers.count(each.singles)) or "",
      folder, each.folder, each.stem)
    if run.manifest.device and run.manifest.device.simulated then
      io.stderr:write(("moonpulse: note: %s was simulated: nobody was stimulated, and the dataset says so\n")
        :format(escapes.shown(run.name)))
    end
  end
  if not meta.Authors and dataset.files["dataset_description.json"] then
    say("dataset_description.json has no authors yet: fill them in, or give them with --meta")
  end
  say("check it: moonpulse check-bids %s", folder)
end

return M
