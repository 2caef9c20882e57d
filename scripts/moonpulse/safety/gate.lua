--- The gate: no plan is played before it has passed here. session:play and the virtual run refuse a
--- lowering that was not cleared, so a path that leaves the gate out cannot send a pulse.
local coverages = require "moonpulse.safety.coverage"
local judge = require "moonpulse.safety.judge"
local refusals = require "moonpulse.text.refusal"

local M = {}

---@class moonpulse.Policy how strictly a plan is judged, and who answers for what is beyond
---@field real boolean a real device: OVER is refused; on the simulator it is a warning
---@field profile "rossi2009"|"chen1997"|nil
---@field lab table?
---@field history moonpulse.History?
---@field schedule table? from moonpulse.safety.sessions
---@field protocol moonpulse.Protocol|moonpulse.Experiment|nil what declares the coil,
---   the threshold and the nerve's channels
---@field used { coil: string?, threshold: string? }? the operator's word for them
---@field real_pty boolean? behind the pseudo-terminal is a real stimulator
---@field participant string? code
---@field operator string? code
---@field beyond_refused boolean? the preflight was asked, and going beyond what was tested not confirmed
---@field beyond { reason: string, approval: string }? recorded, and lets a published limit be passed

--- Why a plan may not run; nil: it may.
---@param report moonpulse.Report from judge.plan
---@param policy moonpulse.Policy
---@return string?
function M.refusal(report, policy)
  if not policy.real then
    return nil
  elseif policy.beyond_refused and (report.verdict ~= "OVER" or policy.beyond)
    and judge.concerns(report)[1] then
    return ("beyond what was tested, and the preflight did not confirm it: %s"):format(
      judge.sentence(judge.concerns(report)[1]))
  elseif report.verdict ~= "OVER" then
    return nil
  elseif report.lab_over then
    return ("OVER the lab's own limits: %s (only the file %s lifts them)"):format(
      judge.sentence(report.lab_over), report.lab_over.source)
  elseif policy.beyond then
    return nil
  end
  local over, count = nil, 0
  for _, finding in ipairs(report.findings) do
    if finding.verdict == "OVER" then
      over, count = over or finding, count + 1
    end
  end
  return ("OVER the guidelines: %s%s. Where an ethics approval covers it: --beyond-guidelines \"REASON\" "
    .. "--approval REF; moonpulse check says all"):format(judge.sentence(over),
    count > 1 and (" (and %d more)"):format(count - 1) or "")
end

--- Judge the plan that lowering was made from and clear it for playing. Raises a refusal
--- { code = "limit", message }.
---@param lowering moonpulse.core.Lowering
---@param given moonpulse.Judgement with policy: moonpulse.Policy; without one, the strictest
---@return moonpulse.Report report
function M.clear(lowering, given)
  local policy = given.policy or { real = true }
  local report = judge.plan {
    plan = given.plan, seed = given.seed, thresholds = given.thresholds, step = given.step,
    highest = given.highest,
    profile = policy.profile,
    coverage = coverages.of(policy.protocol or {}, given.limits, policy.used),
    lab = policy.lab, history = policy.history, progress = given.progress,
    schedule = policy.schedule, earlier = given.earlier, may = given.may, at_s = given.at_s,
  }
  local why = M.refusal(report, policy)
  if why then
    refusals.raise("limit", "%s", why)
  end
  lowering:clear()
  return report
end

return M
