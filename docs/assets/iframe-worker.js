// A page that is read from the disk may start no worker. The search wants one: this gives it a hidden frame instead, in which the
// worker's script runs and speaks as a worker does. Its name keeps the offline plugin from adding one that lies on the network.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      this.send = inside.postMessage.bind(inside);
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = url;
      this.ready = new Promise((resolve) => script.addEventListener("load", resolve));
      inside.document.body.append(script);
    }

    postMessage(data) {
      this.ready.then(() => this.send(data, "*"));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
