-- Another program answers the questions of a script, over the socket that it follows the run by.
local fixture = require "job"
local shell = require "shell"

-- the program: it knows nothing of Moonpulse but docs/driving.md
local answers = [[
import json, socket, sys, time
path, answer = sys.argv[1], eval("lambda n, text: " + sys.argv[2])
end = time.monotonic() + 60
while True:
    run = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        run.connect(path)
        break
    except OSError:
        run.close()
        if time.monotonic() > end:
            raise
        time.sleep(0.01)
n, seen = 0, []
for line in run.makefile():
    said = json.loads(line)
    if said["event"] == "question" and said["of"] == "script":
        n += 1
        seen.append(said["n"])
        for text in answer(n, said["text"]):
            run.sendall(json.dumps({"do": "answer", "by": "emg", **text}).encode() + b"\n")
    elif said["event"] == "answer" and said["to"] == "answer":
        print(said["ok"], said.get("why", ""), flush=True)
]]

describe("answers of another program", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- Start one that answers the n-th question, text, by a list of what it sends (Python).
  local function begin(name, how)
    shell.write(folder .. "/answers.py", answers)
    os.execute(("python3 %s/answers.py %s/%s.sock %s >%s/%s.said 2>&1 &"):format(folder, folder, name,
      shell.quote(how), folder, name))
  end

  local function lines(run)
    return assert(shell.read(run .. "/journal.jsonl"))
  end

  it("steer a hunt as those of a file do, and the record says whose they are", function()
    local list = {}
    for n = 1, 20 do
      list[n] = 40 + n * 37 % 100
    end
    shell.write(folder .. "/file", table.concat(list, "\n") .. "\n")
    local hunt = "run threshold_hunt -p method=amplitude --seed 3 --speed max "
    local status, out = shell.moonpulse(folder, hunt .. ("--answers %s/file --out %s/a"):format(folder,
      folder))
    assert.are.equal(0, status, out)
    begin("b", '[{"text": str(40 + n * 37 % 100)}]')
    local err
    status, out, err = shell.moonpulse(folder, hunt .. ("--answers events --events %s/b.sock --events-wait "
      .. "60 --out %s/b </dev/null"):format(folder, folder))
    assert.are.equal(0, status, out .. err)
    local first, second = fixture.run_in(folder .. "/a"), fixture.run_in(folder .. "/b")
    assert.are.same(fixture.manifest(first).experiment, fixture.manifest(second).experiment)
    assert.are.equal(shell.read(first .. "/events.tsv"), shell.read(second .. "/events.tsv"))
    assert.are.equal(20, select(2, lines(second):gsub('"source":"another program %(emg, process %d+%)"', "")))
    for _, command in ipairs { "verify " .. second, ("rerun %s --out %s/again"):format(second, folder) } do
      assert.are.equal(0, (shell.moonpulse(folder, command)))
    end
  end)

  it("are taken beside an operator, only for the question that is open, and only what it takes", function()
    shell.write(folder .. "/asks.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        run:note("got " .. run:ask "well? [y/n]")
        run:note("then " .. run:ask "MEP? [number]")
        run:note("last " .. run:ask "done? [y/n]")
      end)]])
    begin("c", '[[{"text": "maybe"}, {"text": 3}, {"text": "y", "question": "MEP?"}, {"text": " Y "}], '
      .. '[{"text": "52.5"}, {"text": "61", "question": "MEP? [number]"}], []][n - 1]')
    os.execute("mkfifo " .. folder .. "/typed")
    local job = jobs:start("run", ("run %s/asks.lua --events %s/c.sock --events-wait 60 --out %s/c <%s/typed")
      :format(folder, folder, folder, folder))
    local typed = assert(io.open(folder .. "/typed", "w"))
    job:says "then 52.5"
    local status, _, err = shell.moonpulse(folder, ("ctl answer 7 %s/c.sock"):format(folder))
    assert.are.equal(2, status)
    assert.matches("it takes one of y/n", err, 1, true)
    typed:write "n\n"
    typed:close()
    assert.are.equal(0, job:wait(), job:err())
    assert.matches("got y", job:out(), 1, true)
    assert.matches("last n", job:out(), 1, true)
    local said = shell.read(folder .. "/c.said")
    assert.are.equal(table.concat({ "False it takes one of y/n", "False a text is needed, one line of at "
      .. "most 1000 bytes", "False another question is open: well? [y/n]", "True ", "True " }, "\n") .. "\n",
      (said:gsub("False [^\n]*\n$", ""))) -- the last one: answered already, or another question
    local text = lines(fixture.run_in(folder .. "/c"))
    assert.matches('"answer":"n"[^\n]*"source":"operator"', text)
    assert.matches('"answer":"maybe"[^\n]*"kind":"refused_answer"[^\n]*"source":"another program', text)
    assert.matches('"answer":"7"[^\n]*"kind":"refused_answer"', text)
  end)

  it("are asked for again where the trial cannot use one, and the record tells what was refused", function()
    shell.write(folder .. "/hunts.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        local hunt = run:threshold { method = "stochastic", variant = "analog H", start = 50, trials = 3 }
        for trial, mso in hunt do
          run:sleep(5)
          stim:fire(mp.pulse(mp.mso(mso)))
          trial:answer(run:ask "MEP in uV? [number]")
        end
      end)]])
    begin("e", '[{"text": ["40", "0", "90000", "60", "30"][n - 1], "n": seen[-1]}]')
    local status, out, err = shell.moonpulse(folder, ("run %s/hunts.lua --speed max --answers events "
      .. "--events %s/e.sock --events-wait 60 --out %s/e </dev/null"):format(folder, folder, folder))
    assert.are.equal(0, status, out .. err)
    local run, tracked, refused = fixture.run_in(folder .. "/e"), {}, {}
    for _, trial in ipairs(fixture.manifest(run).experiment.thresholds[1].track) do
      tracked[#tracked + 1] = trial.mep_uv
    end
    assert.are.same({ 40, 60, 30 }, tracked)
    for line in lines(run):gmatch "[^\n]+" do
      refused[#refused + 1] = line:find('"kind":"refused_answer"', 1, true) and line:match '"answer":"(%d+)"'
        .. (line:match '"source":"(another program %(emg)' or "") or nil
    end
    assert.are.same({ "0another program (emg", "90000another program (emg" }, refused)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
  end)

  it("of one question never answer the next one, where they have its number", function()
    shell.write(folder .. "/asks.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        for _ = 1, 2 do run:note("got " .. run:ask "MEP? [number]") end
      end)]])
    begin("d", '[[{"text": "50", "n": seen[0]}], [{"text": "50", "n": seen[0]}, '
      .. '{"text": "60", "n": seen[-1]}]][n - 1]')
    local status, out, err = shell.moonpulse(folder, ("run %s/asks.lua --answers events --events %s/d.sock "
      .. "--events-wait 60 --out %s/d </dev/null"):format(folder, folder, folder))
    assert.are.equal(0, status, out .. err)
    assert.matches("got 50.*got 60", out)
    assert.matches("False the last question is line %d+ of the feed", shell.read(folder .. "/d.said"))
  end)

  it("need the socket that they come over", function()
    local status, _, err = shell.moonpulse(folder, "run threshold_hunt --answers events")
    assert.are.equal(2, status)
    assert.matches("over the socket of --events: give that as well", err, 1, true)
  end)
end)
