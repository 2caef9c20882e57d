--- Runs and datasets for the specs of bids/.
local checks = require "moonpulse.compose.check"
local cursors = require "moonpulse.compose.stimulus_cursor"
local deliveries = require "moonpulse.bids.deliveries"
local datasets = require "moonpulse.bids.dataset"
local exports = require "moonpulse.bids.export"
local plan_file = require "moonpulse.protocol.plan_file"
local rows = require "moonpulse.bids.rows"
local runs = require "moonpulse.bids.run"
local shell = require "shell"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

--- A run in virtual time: its folder. arguments: shell text.
function M.run(folder, arguments)
  local out = ("%s/made%d"):format(folder, #shell.names(folder))
  local status, _, err = shell.moonpulse(folder, ("run %s --speed max --participant KIM --operator OPA --out "
    .. "%s")
    :format(arguments, out))
  local run = out .. "/" .. assert(shell.names(out)[1], err)
  return run, status
end

--- What a file of a dataset will have.
function M.text(content)
  if type(content) ~= "table" then
    return content
  elseif content.copy then
    return shell.read(content.copy)
  end
  local parts = {}
  for part in content.parts() do
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

--- A dataset that is nowhere but in a table of texts.
function M.dataset(files)
  local function read(path)
    return M.text(files[path])
  end
  return datasets.new(read, function(folder)
    local names, seen = {}, {}
    for path in pairs(files) do
      local rest = folder == "" and path or path:sub(1, #folder + 1) == folder .. "/"
        and path:sub(#folder + 2)
      local name = rest and rest:match("^[^/]+")
      names[#names + 1] = name and not seen[name] and name or nil
      seen[name or ""] = true
    end
    table.sort(names)
    return names
  end)
end

--- Put a run into it; the table of its files, changed.
function M.export(files, run, options, meta)
  local dataset = M.dataset(files)
  local made = exports.add(dataset, type(run) == "string" and assert(runs.read(run)) or run, options, meta
    or {})
  for path, content in pairs(dataset.files) do
    files[path] = M.text(content)
  end
  return files, made
end

--- The pulses of a plan, all delivered as planned, at so many %MSO a threshold.
function M.pulses(plan, seed, threshold)
  local onsets_ns, actions = rows.pulses(plan, seed)
  local list, cursor = {}, cursors.new(stimuli.of(plan, seed))
  for number, onset_ns in ipairs(onsets_ns) do
    local action = actions[number]
    cursor:find(number)
    list[number] = { pulse = number, onset = onset_ns / 1e9, planned = onset_ns / 1e3, lateness = 0,
      channel = action.channel, intensity = action.intensity, ref = action.reference,
      mso = math.floor(action.intensity * (action.reference == "MSO" and 100 or threshold or 50) / 100 + 0.5),
      status = "delivered", as_planned = true, trial_type = cursor.condition,
      condition = not checks.is_kind(cursor.condition) and cursor.condition or nil }
  end
  return list
end

--- The text of a plan file of a protocol, as moonpulse compile writes it.
function M.compile(folder, arguments)
  local status, out, err = shell.moonpulse(folder, "compile " .. arguments .. " --unconfirmed -o -")
  assert(status == 0, err)
  return out
end

--- A plan file's rows, where all was delivered; change: what was delivered otherwise.
function M.rows(text, change)
  local found = assert(plan_file.read(text, "x.plan"))
  local nerve = {}
  for _, name in ipairs(found.nerve or {}) do
    nerve[name] = true
  end
  local function is_nerve(channel) return nerve[channel] or false end
  local pulses = M.pulses(found.plan, found.seed)
  if change then
    pulses = change(pulses) or pulses
  end
  local columns = { pulse = {}, onset = {}, planned = {}, kind = {}, kinds = {} }
  for i, pulse in ipairs(pulses) do -- each is of a kind of its own
    columns.pulse[i], columns.onset[i] = pulse.pulse or false, pulse.onset
    columns.planned[i], columns.kind[i] = pulse.planned or false, i
    columns.kinds[i] = setmetatable(pulse, pulse)
  end
  return deliveries.of({ columns = columns, pulses = pulses }, { plan = found.plan, seed = found.seed,
    is_nerve = is_nerve }, found.id),
    found,
    is_nerve, pulses
end

return M
