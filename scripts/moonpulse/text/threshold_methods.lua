--- The published methods of run:threshold in words: for the terminal, the record, the report and the methods
--- section. A record may name one that is not known here: then its own word stands.
local M = {}

local virtual_subjects = "Wang B et al. 2023, J Neural Eng, doi:10.1088/1741-2552/acf1cc"

local variants = {
  ["digital H"] = "Robbins H, Monro S 1951, Ann Math Stat 22:400-407, doi:10.1214/aoms/1177729586; "
    .. virtual_subjects,
  ["digital HA"] = "Kesten H 1958, Ann Math Stat 29:41-59; " .. virtual_subjects,
  ["analog H"] = virtual_subjects,
}

local methods = {
  ["ml-pest"] = { name = "ML-PEST", paper = "Awiszus F 2003, Suppl Clin Neurophysiol 56:13-23" },
  stochastic = { name = "stochastic approximation" },
  amplitude = { name = "particle filter on MEP amplitudes", paper = "population: " .. virtual_subjects
    .. "; MEP model: Goetz SM et al. 2019, IEEE Trans Neural Syst Rehabil Eng 27:1539" },
  ["relative-frequency"] = { name = "relative frequency",
    paper = "Rossini PM et al. 1994, Electroencephalogr Clin Neurophysiol 91:79-92" },
  ["mills-nithi"] = { name = "Mills-Nithi", paper = "Mills KR, Nithi KA 1997, Muscle Nerve 20:570-576" },
}

--- A method's name, with what of it the script chose: "relative frequency, 5 of 10".
---@param hunt table { method, variant, of } of the manifest's experiment.thresholds
---@return string
function M.name(hunt)
  local method = methods[hunt.method]
  local half = type(hunt.of) == "number" and hunt.of / 2
  return (method and method.name or type(hunt.method) == "string" and hunt.method or "unknown method")
    .. (variants[hunt.variant] and ", " .. hunt.variant or "")
    .. (half and (", %g of %g"):format(half, hunt.of) or "")
end

--- The papers that describe it; nil: none is known.
---@param hunt table { method, variant }
---@return string?
function M.paper(hunt)
  local method = methods[hunt.method]
  return method and (method.paper or variants[hunt.variant]) or nil
end

--- Are its answers amplitudes of MEPs? Then 50 uV is a response.
---@param hunt table { method, variant }
---@return boolean
function M.measures(hunt)
  return hunt.method == "amplitude" or hunt.variant == "analog H"
end

--- How it came to its interval, as what follows "The interval is".
---@param hunt table { method } or a staircase
---@return string
function M.interval(hunt)
  return hunt.method == "amplitude" and "what the particle filter leaves for the threshold"
    or "what the answers of all trials leave for the threshold, with a cumulative normal response curve "
      .. "whose spread is 3 to 15 % of the threshold"
end

--- What ended it: "after 20 trials", by its own rule, at a limit; nil: it came to no end.
---@param hunt table { ended_by, trials, method }
---@return string?
function M.ending(hunt)
  return ({ trials = "after its last trial", method = "by the method's own rule",
    limit = "where the answers led beyond its limits" })[hunt.ended_by]
end

return M
