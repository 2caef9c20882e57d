--- A run into a BIDS dataset: which files, and what is in them.
local begins = require "moonpulse.record.begins"
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local delivered = require "moonpulse.bids.delivered"
local deliveries = require "moonpulse.bids.deliveries"
local describe = require "moonpulse.bids.describe"
local draft = require "moonpulse.bids.draft"
local in_order = require "moonpulse.text.in_order"
local numbers = require "moonpulse.text.numbers"
local read = require "moonpulse.record.read"
local recipe = require "moonpulse.bids.recipe"
local tables = require "moonpulse.bids.tables"
local timeline = require "moonpulse.bids.timeline"

local M = {}

local function refuse(text, ...)
  error({ code = "usage", message = text:format(...) }, 0)
end

--- "sub-01", "ses-1": a label has letters and digits only.
---@param entity string
---@param label string?
---@return string? nil: no label is given
function M.entity(entity, label)
  if label == nil then
    return nil
  end
  label = label:gsub("^" .. entity .. "%-", "")
  if not label:find("^%w+$") then
    refuse("--%s %s: a label of BIDS has letters and digits only, such as 01", entity, label)
  end
  return entity .. "-" .. label
end

local function decoded(dataset, path)
  local text = dataset:now(path)
  local value = type(text) == "string" and cjson.decode(text)
  return type(value) == "table" and value or nil
end

--- Two runs that began in one second may have one name; their seeds differ, or one goes on with the other.
local function is_same(run, name, seed, continues)
  return name == run.name and tostring(seed) == tostring(run.manifest.seed)
    and continues == begins.continues(run.manifest)
end

--- Was it exported already, or is the participant another one?
local function check_new(dataset, run, sub)
  for _, under in ipairs(dataset:names("sourcedata")) do
    local folder = "sourcedata/" .. under
    local places = {}
    for _, name in ipairs(dataset:names(folder)) do
      places[#places + 1] = folder .. "/" .. name
      for _, deeper in ipairs(name:find("^ses%-") and dataset:names(folder .. "/" .. name) or {}) do
        places[#places + 1] = folder .. "/" .. name .. "/" .. deeper
      end
    end
    for _, place in ipairs(places) do
      local manifest = decoded(dataset, place .. "/manifest.json") or {}
      local other, this = read.get(manifest, "participant"), read.get(run.manifest, "participant")
      local name = place:match("[^/]+$"):gsub("_copy%d+$", "")
      if is_same(run, name, manifest.seed, begins.continues(manifest)) then
        refuse("%s is in the dataset already: %s", run.name, place)
      elseif under == sub and other and this and other ~= this then
        refuse("%s is the participant %s, and %s in this dataset is %s: one --sub for each participant",
          run.name, this, sub, other)
      end
    end
  end
end

--- A participant has sessions, or none.
local function check_sessions(dataset, sub, ses)
  for _, name in ipairs(dataset:names(sub)) do
    local has = name:find("^ses%-")
    if has and not ses then
      refuse("%s has sessions in this dataset (%s): say which this is, with --ses", sub, name)
    elseif ses and not has and not name:find("%.") then
      refuse("%s has no sessions in this dataset (it has %s/%s): leave --ses out", sub, sub, name)
    end
  end
end

--- The number of the next run with these entities; refuses one that was exported.
local function next_run(dataset, folder, stem, run)
  local last = 0
  for _, name in ipairs(dataset:names(folder .. "/nibs")) do
    local index = name:sub(1, #stem + 5) == stem .. "_run-" and name:match("^(%d+)_nibs%.json$", #stem + 6)
    last = math.max(last, math.tointeger(tonumber(index)) or 0)
    local own = name:find("_nibs%.json$") and decoded(dataset, folder .. "/nibs/" .. name) or {}
    if is_same(run, read.get(own, "Moonpulse.Run"), read.get(own, "Moonpulse.Seed"),
      read.get(own, "Moonpulse.BeginsAt.Continues")) then
      refuse("%s is in the dataset already: %s/nibs/%s", run.name, folder, name)
    end
  end
  return last + 1
end

--- What the run was, in a sentence or two.
local function description_of(run, made)
  local manifest = run.manifest
  local planned = read.get(manifest, "result.pulses_planned")
  local pulses = 0
  for _, row in ipairs(made.rows) do
    pulses = pulses + row.pulses
  end
  local parts = {}
  if run.edited then
    parts[1] = ("EDITED or damaged after the run was sealed: %s."):format(run.edited)
  end
  if read.get(manifest, "device.simulated") then
    parts[#parts + 1] = "SIMULATED: no stimulator was connected and nobody was stimulated."
  end
  parts[#parts + 1] = ("%s."):format(read.get(manifest, "protocol.name") or run.id)
  local outline = read.get(manifest, "protocol.outline")
  if type(outline) == "string" then
    parts[#parts + 1] = outline:gsub("\n%s*", "; ") .. "."
  end
  parts[#parts + 1] = type(planned) == "number" and planned ~= pulses
    and ("Delivered: %s of %s planned."):format(numbers.counted(pulses, "pulse"), numbers.count(planned))
    or ("Delivered: %s."):format(numbers.counted(pulses, "pulse"))
  local begun = begins.words(manifest)
  if begun then
    parts[#parts + 1] = ("It began with %s."):format(begun)
  end
  if made.singles > 0 and made.patterns + made.singles > 1 and run.plan and not made.whole then
    parts[#parts + 1] = "What was not given whole, as planned, stands pulse by pulse."
  end
  return table.concat(parts, " ")
end

local function plan_name(run)
  return run.plan_text and ("%s_%s.plan"):format(describe.label(run.id), run.plan_file.sha256:sub(1, 12))
end

--- Where its own files go; another run of the same second and name is there.
local function place_of(dataset, place)
  local found, count = place, 1
  while dataset:names(found)[1] do
    count = count + 1
    found = ("%s_copy%d"):format(place, count)
  end
  return found
end

--- "2026-11-27T20:50:38": local time without a zone, the form that today's validator takes.
local function time_of(started)
  local text = tostring(started):match("^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)")
  return text or "n/a"
end

--- What operators noted about the run when it was over, without who it was: outside of the run's own files
--- nobody is named.
---@return { At: string?, Text: string }[]? nil: nothing
local function notes_of(manifest)
  local notes, list = read.get(manifest, "notes"), {}
  for _, note in ipairs(type(notes) == "table" and notes or {}) do
    if type(note) == "table" and type(note.text) == "string" then
      list[#list + 1] = { At = type(note.at) == "string" and note.at or nil, Text = note.text }
    end
  end
  return list[1] and list
end

--- Where the run's plan was begun, and the run that it goes on with: the tables have the rest of it only.
---@return table? nil: at its beginning
local function begins_of(manifest)
  local at = begins.data(manifest)
  return at and { What = at.what, Number = at.number, PulsesBefore = at.pulses_before,
    PulsesPlanned = at.pulses_planned, LeftOut = at.left_out, MarksLeftOut = at.marks_left_out,
    Continues = at.continues }
end

--- The entries of the tables that all runs share.
local function shared(dataset, run, names, options, meta)
  local row = { filename = ("beh/%s_events.tsv"):format(names.stem),
    acq_time = time_of(run.manifest.started) }
  local path = ("%s/%s_scans.tsv"):format(names.folder, names.prefix)
  dataset:row(path, { "filename", "acq_time" }, row, { "filename" })
  if options.draft_scans then
    row.filename = ("nibs/%s_nibs.tsv"):format(names.stem)
    dataset:row(path, { "filename", "acq_time" }, row, { "filename" })
  end
  local values = {}
  for _, reference in ipairs { "RMT", "AMT" } do
    local value, found = describe.threshold(run.manifest, reference)
    values[reference:lower()] = value and { value = ("%.10g"):format(value), method = found.how } or nil
  end
  dataset:thresholds(names.sub, names.ses, values)
  dataset:participant(names.sub)
  dataset:root(meta, { version = core.version, date = time_of(run.manifest.started):match("^[%d-]+")
    or os.date("%Y-%m-%d") })
end

--- Put a run into a dataset: nothing is written yet. Raises a refusal { code, message }.
---@param dataset moonpulse.BidsDataset changed
---@param run moonpulse.BidsRun
---@param options { sub: string, ses: string?, task: string?, acq: string?, draft_scans: boolean?,
---   no_sourcedata: boolean? }
---@param meta table of --meta
---@return { stem: string, patterns: integer, singles: integer, rows: integer, notes: integer }
function M.add(dataset, run, options, meta)
  if read.get(run.manifest, "device.devices") then
    refuse("%s was on several devices, which the tables of a dataset cannot say: export it with crate, "
      .. "or take its events.tsv", run.name)
  end
  local names = { sub = M.entity("sub", options.sub), ses = M.entity("ses", options.ses) }
  local task = M.entity("task", options.task or "stimulation")
  local acq = M.entity("acq", options.acq or describe.label(run.id))
  names.folder = names.ses and names.sub .. "/" .. names.ses or names.sub
  names.prefix = names.ses and names.sub .. "_" .. names.ses or names.sub
  check_sessions(dataset, names.sub, names.ses)
  check_new(dataset, run, names.sub)
  local stem = ("%s_%s_%s"):format(names.prefix, task, acq)
  names.stem = ("%s_run-%d"):format(stem, next_run(dataset, names.folder, stem, run))
  local given, message = delivered.pulses(run.events, run.folder .. "/events.tsv")
  if not given then
    refuse("%s", message)
  end
  local made = deliveries.of(given, run.plan,
    meta.nibs_event_id or run.id:gsub("[^%w_]+", "_"))
  for _, row in ipairs(made.rows) do
    row.verified = row.verified and not run.edited -- what the device said is in the very record
  end
  local plan, source = plan_name(run), place_of(dataset, ("sourcedata/%s/%s"):format(names.folder, run.name))
  local files, notes, begun = {}, notes_of(run.manifest), begins_of(run.manifest)
  tables.write(made, { manifest = run.manifest, is_nerve = run.is_nerve,
    task = task:match("%-(.*)"), task_is_told = options.task ~= nil,
    description = description_of(run, made),
    own = { Draft = draft.version, Version = core.version, Run = run.name,
      Seed = run.manifest.seed, Notes = notes, BeginsAt = begun,
      Simulated = read.get(run.manifest, "device.simulated") or false,
      Source = not options.no_sourcedata and source .. "/events.tsv" or nil,
      Plan = run.plan_file and recipe.of(run.plan_file, made, run.is_nerve) } }, meta,
    ("%s/nibs/%s"):format(names.folder, names.stem), files)
  timeline.write(run.events, given.whole, run.events_json, plan, { name = "Moonpulse",
    version = core.version, notes = notes, begins = begun },
    ("%s/beh/%s"):format(names.folder, names.stem), files)
  for path, text in in_order.pairs(files) do
    dataset:add(path, text)
  end
  if plan and not dataset:now("stimuli/" .. plan) then
    dataset:add("stimuli/" .. plan, run.plan_text)
  end
  for _, path in ipairs(options.no_sourcedata and {} or run.files) do
    dataset:add(source .. "/" .. path, { copy = run.folder .. "/" .. path })
  end
  shared(dataset, run, names, options, meta)
  return { stem = names.stem, folder = names.folder, patterns = made.patterns, singles = made.singles,
    rows = #made.rows, notes = notes and #notes or 0 }
end

return M
