--- The options that decide how strictly a plan is judged, for run and check.
local cell_text = require "moonpulse.text.cell_text"
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local history = require "moonpulse.safety.history"

local M = {}

--- A person's code as it may stand in a record and in tables made of it.
---@param option string for messages
---@return fun(text: string): string?, string?
function M.code(option)
  return function(text)
    local bare = text:match("^%s*(.-)%s*$")
    local length = utf8.len(bare)
    if length and length >= 1 and length <= 64 and not cell_text.problem(text) then
      return text
    end
    return nil, ("%s: a code is 1 to 64 characters of UTF-8 text, none of them a control character, and does "
      .. "not begin with = + - @, which a spreadsheet takes for a formula; like P07 or sub-012, and not "
      .. "\"%s\""):format(option, escapes.shown(text))
  end
end

--- Text for the record.
local function text_for_record(option)
  return function(text)
    if cell_text.is_plain(text) then
      return text
    end
    return nil, ("%s: UTF-8 text on one line without control characters is expected, not \"%s\"")
      :format(option, escapes.shown(text))
  end
end

--- How strictly: for run and check.
---@param parser table of argparse; changed
function M.add(parser)
  parser:option("--guidelines", "The table for train durations: rossi2009, or the strict chen1997.")
    :choices({ "rossi2009", "chen1997" }):default("rossi2009")
  parser:option("--lab", "A file with the lab's own limits (docs/safety.md); default: $MOONPULSE_LAB.")
    :argname("FILE")
  parser:option("--coil", "The coil that is used, such as H1 or circular: the tables are for a "
    .. "figure-of-eight coil, and with another one nothing is within. Default: what the protocol declares.")
    :argname("NAME"):convert(text_for_record "--coil")
  parser:option("--threshold", "Whose threshold --rmt and --amt are, such as foot: the tables are for a "
    .. "hand's. Default: what the protocol declares.")
    :argname("WHERE"):convert(text_for_record "--threshold")
  parser:option("--participant", "The participant's code: pulses of earlier runs count, also of those in "
    .. "./runs, where records lay before there was one place.")
    :argname("CODE"):convert(M.code "--participant")
  parser:flag("--real-pty", "Behind the pseudo-terminal is a real stimulator (socat, ser2net): it is treated "
    .. "as one, and earlier runs through one count. Also a key of the lab's file.")
end

--- What a run may be allowed, and what must be confirmed: for run.
---@param parser table of argparse; changed
function M.add_overrides(parser)
  parser:option("--beyond-guidelines", "Run although a published limit is passed; kept in the record. Needs "
    .. "--approval."):argname("REASON")
    :convert(text_for_record "--beyond-guidelines")
  parser:option("--approval", "The ethics approval that covers it."):argname("REF")
    :convert(text_for_record "--approval")
  parser:option("--preflight", "A file with the lab's own preflight questions; asked on the simulator too.")
    :argname("FILE")
  parser:option("--meta", "A file of what no device tells, for the record: coil, waveform, "
    .. "current_direction, hotspot, rmt_method and others: one JSON object (docs/manifest.md has the keys).")
    :argname("FILE.json")
  parser:option("--operator", "The operator's code, for the record."):argname("CODE")
    :convert(M.code "--operator")
end

local function lab_of(options)
  local path = options.lab or os.getenv "MOONPULSE_LAB"
  if not path or path == "" then
    return nil
  end
  local lab, message = require("moonpulse.safety.lab").load(path)
  if not lab then
    cli.fail("usage", "the lab's limits do not load: %s", message)
  end
  return lab
end

local function beyond_of(options)
  local reason, approval = options.beyond_guidelines, options.approval
  if not reason and not approval then
    return nil
  elseif not reason or reason:match("^%s*$") then
    cli.fail("usage", "--approval %s needs --beyond-guidelines \"REASON\"", approval)
  elseif not approval or approval:match("^%s*$") then
    cli.fail("usage", "--beyond-guidelines needs --approval REF: the ethics approval that covers it")
  end
  return { reason = reason, approval = approval }
end

--- What the participant had before; says what is odd about it on standard error.
local function history_of(options, real_pty)
  if not options.participant then
    return nil
  end
  local known = history.of(options.out, options.participant, nil, real_pty, options.older)
  for _, note in ipairs(history.unread(known, options.participant)) do
    io.stderr:write("moonpulse: note: ", note, "\n")
  end
  for _, note in ipairs(known.notes) do
    io.stderr:write("moonpulse: note: ", (note:gsub("%c", "?")), "\n")
  end
  return known
end

--- Are behind pseudo-terminals real stimulators, as the options or the lab's file say?
---@param options table
---@return boolean
function M.real_pty(options)
  local lab = not options.real_pty and lab_of(options)
  return options.real_pty or lab and lab.spec.real_pseudo_terminals or false
end

--- The policy that the options ask for.
---@param options table
---@param real boolean
---@return moonpulse.Policy
function M.policy(options, real)
  local lab = lab_of(options)
  local real_pty = options.real_pty or lab and lab.spec.real_pseudo_terminals or false
  return {
    real = real, profile = options.guidelines, lab = lab, real_pty = real_pty, beyond = beyond_of(options),
    participant = options.participant, operator = options.operator,
    used = { coil = options.coil, threshold = options.threshold },
    history = history_of(options, real_pty),
  }
end

return M
