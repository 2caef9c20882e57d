--- What stands between a plan and a run: the gate's verdict, said and kept; the operator's preflight.
local check_report = require "moonpulse.safety.check_report"
local core = require "moonpulse.core"
local coverages = require "moonpulse.safety.coverage"
local escapes = require "moonpulse.text.escapes"
local histories = require "moonpulse.safety.history"
local judge = require "moonpulse.safety.judge"
local lfs = require "lfs"
local refusals = require "moonpulse.text.refusal"
local tables = require "moonpulse.safety.tables"
local term = require "term"

local M = {}

local most_lines = 4
local the_record = "the record" -- as the source of an answer: it was given in the run that is done again

--- Tell the operator what the participant had before: how many runs were found, and where was looked.
---@param policy moonpulse.Policy
---@param line fun(key: string, text: string)
function M.say_history(policy, line)
  if policy.history then
    line("participant", histories.line(policy.history, policy.participant))
  end
end

--- Tell the operator what the gate found.
---@param job moonpulse.Job with safety and policy
---@param line fun(key: string, text: string)
function M.say(job, line)
  local report, lab = job.safety, job.policy.lab
  local concerns = judge.concerns(report)
  local of = check_report.by_layer(report.findings, lab ~= nil)
  for _, finding in ipairs(report.findings) do
    if finding.layer == "sessions" then
      line("sessions", finding.verdict == "within" and finding.words or finding.verdict)
    end
  end
  line("guidelines", ("%s (%s)"):format(of.guidelines, report.table))
  if of.lab then
    line("lab", ("%s (%s)"):format(of.lab, lab.name))
  end
  for i, finding in ipairs(concerns) do
    if i > most_lines then
      line("", ("... and %d more: moonpulse check"):format(#concerns - most_lines))
      break
    end
    line("", finding.verdict .. ": " .. judge.sentence(finding))
  end
  if job.policy.beyond then
    line("", ("beyond the guidelines: %s (approval %s)"):format(job.policy.beyond.reason,
      job.policy.beyond.approval))
  end
end

--- The next line of standard input, while the loop goes on: other programs are heard meanwhile.
local function read_heard(job)
  local ended = false
  job.typed = job.typed or ""
  local input = core.input(function(bytes)
    job.typed, ended = job.typed .. (bytes or ""), bytes == nil
  end)
  if not input then -- a regular file: reading it never waits
    return io.read("l")
  end
  local watched <close> = input -- luacheck: ignore 211
  while not ended and not job.stop_reason and not job.typed:find("\n", 1, true) do
    core.wait(0.02)
  end
  local line, rest = job.typed:match "^([^\n]*)\n(.*)$"
  if job.stop_reason then
    return nil
  elseif line then
    job.typed = rest
    return line
  end
  line, job.typed = job.typed, ""
  return line ~= "" and line or nil
end

--- One line of the terminal or of a pipe.
local function ask(text, job, feed)
  io.stdout:write(text)
  io.stdout:flush()
  local answer
  if feed then
    feed:asking(true)
    answer = read_heard(job)
    feed:asking(false)
  else
    answer = io.read("l")
  end
  if not answer then
    print()
  end
  return answer
end

--- What asks, and tells the audit trail. Of a run that is done again nobody is asked: its answers come again.
---@param job moonpulse.Job
---@param again string[]? the answers, in order
---@param no_answer string what stands for none
---@param feed moonpulse.Feed?
---@return fun(text: string, try: integer): string?
local function asking(job, again, no_answer, feed)
  local count = 0
  return function(text, try)
    text = escapes.shown(text) -- as the record has it
    job.audit:tell("question", { text = text, of = "preflight" })
    local answer
    if again then
      count = count + 1
      answer = again[count] ~= no_answer and again[count] or nil
      print(escapes.shown(text .. (answer or "")))
    else
      answer = ask(text, job, feed)
      answer = answer and escapes.shown(answer)
    end
    job.audit:tell("answer", { question = text, answer = answer or no_answer, of = "preflight",
      source = again and the_record or "operator", try = try > 1 and try or nil })
    return answer
  end
end

--- At a terminal somebody mistypes, and is asked again.
local function mistyped(words)
  print(("that is no answer: %s"):format(words))
end

--- May a stimulator be at path? Not where there is no device, nor behind a pseudo-terminal (majors 136 to
--- 143: Documentation/admin-guide/devices.txt of Linux).
local function may_be_stimulator(path)
  local found = lfs.attributes(path)
  local major = found and found.rdev >> 8 & 0xFFF
  return found ~= nil and found.mode == "char device" and (major < 136 or major > 143)
end

--- May a person be at the end of it? A pseudo-terminal is a program's, unless somebody says otherwise.
local function is_stimulator(options, policy, several)
  for _, each in ipairs(several or { options }) do
    if may_be_stimulator(each.port)
      or policy.real_pty and lfs.attributes(each.port, "mode") == "char device" then
      return true
    end
  end
  return false
end

--- The operator's confirmations; a list of the lab's own is asked on the simulator too. From here on a plan
--- that is beyond what was tested is refused on a real device, unless its going on was confirmed.
---@param options table
---@param real boolean
---@param job moonpulse.Job with protocol, driver, policy, and safety where the plan is known; gets preflight,
---   as far as it was answered, if anything was asked; policy gets beyond_refused
function M.preflight(options, real, job)
  local policy, questions = job.policy, {}
  local stimulator = real and is_stimulator(options, policy, job.several)
  if not options.preflight and not stimulator then
    return
  end
  local preflight = require "moonpulse.safety.preflight" -- loaded for those who are asked
  if options.preflight then
    local own, message = preflight.load(options.preflight)
    questions = own or refusals.raise("usage", "%s", message)
  else
    questions = table.move(preflight.questions, 1, #preflight.questions, 1, questions)
  end
  if stimulator then
    local nerves = preflight.nerves(coverages.nerves(coverages.of(job.protocol, job.driver.limits())))
    table.move(nerves, 1, #nerves, #questions + 1, questions)
    local more = job.safety and preflight.beyond(job.safety)
      or not job.safety and preflight.beyond_of_experiment(policy.beyond ~= nil) or {}
    table.move(more, 1, #more, #questions + 1, questions)
  end
  local again, operator = not real and options.preflight_again or nil, options.operator
  if again and options.operator_again and not operator then -- whose code was no code: it is again
    again = { options.operator_again }
  elseif again and not operator then
    operator = false
  end
  local put = asking(job, again, preflight.no_answer, options.feed)
  local answers, message = preflight.ask(questions, put, operator,
    not again and term.isatty(io.stdin) and mistyped or nil)
  answers.source = again and the_record or nil
  job.preflight = answers
  if message then
    require("moonpulse.run.stop_sources").hear() -- a signal that ended the reading says now which one it was
    if job.stop_reason then
      refusals.stopped(job.stop_reason)
    end
    refusals.declined(message .. "; nothing was armed")
  end
  policy.beyond_refused = stimulator and not preflight.allows_beyond(answers)
end

--- Who ran it, as far as it was said.
---@param job moonpulse.Job
---@return string?
function M.operator(job)
  return job.preflight and job.preflight.operator or job.policy.operator
end

--- The preflight for the record: each question as it was worded, and its answer.
---@param job moonpulse.Job
---@return table[] empty where nothing was asked
function M.answers(job)
  local list = {}
  for i, each in ipairs(job.preflight and job.preflight.answers or {}) do
    list[i] = { id = each.id, question = each.question, answer = each.answer, at = job.preflight.at,
      source = job.preflight.source }
  end
  return list
end

--- What the record keeps of all this.
---@param job moonpulse.Job with what was found: safety of a protocol, plays of an experiment
---@param started string? when the run was, for what its options say
---@return table
function M.facts(job, started)
  local report, concerns = job.safety or job.plays, {}
  for i, finding in ipairs(report and judge.concerns(report) or {}) do
    local layer = check_report.layer_of(finding)
    concerns[i] = { verdict = finding.verdict, layer = layer ~= "guidelines" and layer or nil,
      text = judge.sentence(finding), table = finding.table,
      source = finding.source, confidence = finding.confidence }
  end
  local policy = job.policy
  return {
    verdict = report and report.verdict, profile = report and report.profile,
    table = report and report.table, findings = concerns, warning = tables.warning,
    lab = policy.lab and policy.lab.name or nil, history = histories.facts(policy.history),
    override = policy.beyond and { reason = policy.beyond.reason, by = M.operator(job), at = started } or nil,
    approval = policy.beyond and policy.beyond.approval or nil,
  }
end

--- The same for the journal's last line of the run, so that the manifest does not say it alone.
---@param job moonpulse.Job as for facts
---@return { verdict: string?, findings: string[]?, override: string?, approval: string? }
function M.judged(job)
  local facts, findings = M.facts(job), {}
  for i, each in ipairs(facts.findings) do
    findings[i] = ("%s: %s"):format(each.verdict, each.text)
  end
  return { verdict = facts.verdict, findings = findings[1] and findings or nil,
    override = facts.override and facts.override.reason, approval = facts.approval }
end

return M
