--- A run as an RO-Crate: ro-crate-metadata.json beside the run's folder, whose seal stays whole.
--
-- Sources: RO-Crate 1.3 (ResearchObject/ro-crate at 4b4f939) and Process Run Crate 0.5
-- (ResearchObject/workflow-run-crate at 23f7b03).
local begins = require "moonpulse.record.begins"
local facts_of = require "moonpulse.provenance.facts"
local json = require "moonpulse.text.readable_json"

local M = {}

--- The file that makes a folder a crate.
M.name = "ro-crate-metadata.json"

local version, profile = "https://w3id.org/ro/crate/1.3", "https://w3id.org/ro/wfrun/process/0.5"

local function id(text)
  return { ["@id"] = text }
end

--- A path as an identifier: what a URI does not have is written as %20.
local function path_id(name)
  return (name:gsub("[^%w%-%._~/]", function(char) return ("%%%02X"):format(char:byte()) end))
end

local function file_id(facts, file)
  return path_id(facts.name .. "/" .. file.name)
end

local function ids(facts, way)
  local list = {}
  for _, file in ipairs(facts.files) do
    list[#list + 1] = (not way or file.way == way) and id(file_id(facts, file)) or nil
  end
  return list
end

local function edited_words(facts)
  return facts.edited and ("EDITED or damaged after the run was sealed: %s. "):format(facts.edited) or ""
end

--- Where the plan was begun is an input that is no file.
local function begins_of(facts)
  local words = begins.words(facts.manifest)
  return words and { ["@id"] = "#begins_at", ["@type"] = "PropertyValue", name = "begins_at", value = words,
    description = "With which trial or block of its plan the run began" }
end

--- The run as an action: what did it, when, on what, with which result.
local function action(facts)
  local operator = facts_of.part(facts, "operator")
  local plain = type(operator) == "string" and operator ~= "n/a" and operator or nil
  local begun, objects = begins_of(facts), ids(facts, "in")
  objects[#objects + 1] = begun and id(begun["@id"]) or nil
  return { ["@id"] = "#" .. facts.uuid, ["@type"] = "CreateAction", name = "Run of " .. facts.title,
    description = edited_words(facts) .. (facts.simulated
      and "Simulated: no stimulator was connected and nobody was stimulated. " or "")
      .. ("moonpulse run %s: %s"):format(facts.id, tostring(facts_of.part(facts, "result.reason")
        or facts.manifest.status)) .. (begun and (". It began with %s."):format(begun.value) or ""),
    instrument = id "#moonpulse", agent = plain and id "#operator" or nil, object = objects,
    result = ids(facts, "out"), startTime = facts.started, endTime = facts.ended,
    actionStatus = id(facts.completed and "http://schema.org/CompletedActionStatus"
      or "http://schema.org/FailedActionStatus"),
    error = not facts.completed and tostring(facts_of.part(facts, "result.reason") or facts.manifest.status)
      or nil },
    plain and { ["@id"] = "#operator", ["@type"] = "Person", name = plain,
      description = "The operator, by the code that was given to the run." } or nil, begun
end

--- The metadata of a crate.
---@param facts moonpulse.ProvenanceFacts
---@param license string a URI, or words
---@return string
function M.text(facts, license)
  local run, operator, begun = action(facts)
  local is_uri = license:find("^https?://")
  local graph = {
    { ["@id"] = M.name, ["@type"] = "CreativeWork", about = id "./", conformsTo = id(version) },
    { ["@id"] = "./", ["@type"] = "Dataset", name = facts.title .. ", " .. facts.name,
      description = edited_words(facts)
        .. "The record of a run of non-invasive brain stimulation, by Moonpulse.",
      datePublished = (facts.ended or facts.started or ""):match("^%d+%-%d+%-%d+") or "1970-01-01",
      license = is_uri and id(license) or license, conformsTo = id(profile), hasPart = ids(facts),
      mentions = id("#" .. facts.uuid) },
    { ["@id"] = profile, ["@type"] = "CreativeWork", name = "Process Run Crate", version = "0.5" },
    run,
    { ["@id"] = "#moonpulse", ["@type"] = "SoftwareApplication", name = "Moonpulse",
      softwareVersion = tostring(facts_of.part(facts, "moonpulse.version") or "n/a"),
      description = facts_of.part(facts, "moonpulse.commit")
        and "Built from commit " .. tostring(facts_of.part(facts, "moonpulse.commit")) or nil },
  }
  graph[#graph + 1] = operator
  graph[#graph + 1] = begun
  if is_uri then
    graph[#graph + 1] = { ["@id"] = license, ["@type"] = "CreativeWork", name = license }
  end
  for _, file in ipairs(facts.files) do
    graph[#graph + 1] = { ["@id"] = file_id(facts, file), ["@type"] = "File",
      name = file.name:match("[^/]+$"), description = file.what, encodingFormat = file.type,
      contentSize = tostring(file.size), sha256 = file.sha256 }
  end
  local order = { "@id", "@type", "name", "description" }
  return json.encode({ ["@context"] = version .. "/context", ["@graph"] = graph }, { lists = {
    ["@graph[].object"] = true, ["@graph[].result"] = true, ["@graph[].hasPart"] = true },
    [""] = { "@context", "@graph" }, ["@graph[]"] = order })
end

return M
