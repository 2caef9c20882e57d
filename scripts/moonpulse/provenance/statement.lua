--- A run as an in-toto statement: what came out (by hash), of what, by what, when.
--
-- Sources: in-toto Statement v1 (in-toto/attestation at 051624c), SLSA provenance v1 (slsa-framework/slsa at
-- 24905939).
local begins = require "moonpulse.record.begins"
local facts_of = require "moonpulse.provenance.facts"
local json = require "moonpulse.text.readable_json"

local M = {}

--- What kind of run it is; changes when what stands in externalParameters does.
M.build_type = "urn:moonpulse:run:v2"

local function digests(files, way)
  local list = {}
  for _, file in ipairs(files) do
    if file.way == way then
      list[#list + 1] = { name = file.name, digest = { sha256 = file.sha256 } }
    end
  end
  return list
end

--- A time in UTC, as the statement's times are: "2026-11-27T20:50:38Z".
---@param text string? ISO 8601 with a zone
---@return string?
function M.utc(text)
  local year, month, day, hour, minute, second, zone = (text or ""):match(
    "^(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)%.?%d*(.*)$")
  if not year then
    return nil
  end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  local offset = sign and (sign == "-" and -1 or 1) * (hours * 60 + minutes) * 60 or 0
  -- days since 1970, with March as the first month, so that a leap day is the last one
  local y = month + 0 <= 2 and year - 1 or year + 0
  local era = y // 400
  local of_era = y - era * 400
  local of_year = (153 * (month + (month + 0 > 2 and -3 or 9)) + 2) // 5 + day - 1
  local days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
  local seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset
  return os.date("!%Y-%m-%dT%H:%M:%SZ", math.tointeger(seconds))
end

--- What of the device is of the run, and of no one's computer.
local function device_of(facts)
  local found = {}
  for _, name in ipairs { "name", "description", "model", "serial", "firmware", "simulated", "waveform",
    "current_direction", "mode", "coil" } do
    found[name] = facts_of.part(facts, "device." .. name)
  end
  return found
end

--- The statement. It names no participant and no operator.
---@param facts moonpulse.ProvenanceFacts
---@return string
function M.text(facts)
  local version = tostring(facts_of.part(facts, "moonpulse.version") or "n/a")
  local external = { protocol = { id = facts.id, name = facts.title, cite = facts_of.part(facts,
    "protocol.cite"),
    doi = facts_of.part(facts, "protocol.doi") }, parameters = facts_of.part(facts, "parameters"),
    seed = facts_of.part(facts, "seed"), begins_at = begins.data(facts.manifest),
    thresholds = facts_of.part(facts, "thresholds") }
  local statement = {
    _type = "https://in-toto.io/Statement/v1",
    subject = digests(facts.files, "out"),
    predicateType = "https://slsa.dev/provenance/v1",
    predicate = {
      buildDefinition = {
        buildType = M.build_type, externalParameters = external,
        internalParameters = { edited = facts.edited, device = device_of(facts), safety = {
          verdict = facts_of.part(facts, "safety.verdict"),
          table = facts_of.part(facts, "safety.table") }, result = facts_of.part(facts, "result") },
        resolvedDependencies = digests(facts.files, "in"),
      },
      runDetails = {
        builder = { id = "urn:moonpulse:" .. version, version = { moonpulse = version,
          commit = facts_of.part(facts, "moonpulse.commit") } },
        metadata = { invocationId = "urn:uuid:" .. facts.uuid, startedOn = M.utc(facts.started),
          finishedOn = M.utc(facts.ended) },
        byproducts = digests(facts.files, "tool"),
      },
    },
  }
  return json.encode(statement, { lists = { subject = true,
    ["predicate.buildDefinition.resolvedDependencies"] = true, ["predicate.runDetails.byproducts"] = true },
    [""] = { "_type", "subject", "predicateType", "predicate" }, ["subject[]"] = { "name", "digest" },
    predicate = { "buildDefinition", "runDetails" },
    ["predicate.buildDefinition"] = { "buildType", "externalParameters", "internalParameters",
      "resolvedDependencies" },
    ["predicate.buildDefinition.externalParameters"] = { "protocol", "parameters", "seed", "begins_at",
      "thresholds" },
    ["predicate.buildDefinition.externalParameters.begins_at"] = { "what", "number", "pulses_before",
      "pulses_planned", "left_out", "marks_left_out", "marks_given", "continues" },
    ["predicate.runDetails"] = { "builder", "metadata", "byproducts" } })
end

return M
